//! Names of the members of OpenAI's wire stand in `src/api` and nowhere else.

use super::source::{Literals, code, sources};

/// Members that no other JSON has.
const MEMBERS: [&str; 11] = [
    "choices",
    "delta",
    "finish_reason",
    "include_usage",
    "parallel_tool_calls",
    "reasoning_content",
    "response_format",
    "return_progress",
    "stream_options",
    "tool_calls",
    "tool_choice",
];

/// Who else may write them.
const EXCUSED: [(&str, &str); 5] = [
    ("api", "it is the room that knows them"),
    ("mock", "it is a server"),
    ("demo", "it is a client"),
    ("cli", "it is a client of what it shows"),
    ("engine", "a row says what a server needs, in its server's words"),
];

#[test]
fn members_of_the_wire_are_named_in_api_alone() {
    let mut problems = Vec::new();
    for source in sources() {
        if EXCUSED.iter().any(|(module, _)| source.is_in(module)) {
            continue;
        }
        let code = code(&source.text, Literals::Keep);
        for (number, line) in code.lines().enumerate().take(source.code_lines()) {
            let line = line.replace("\\\"", "\"");
            for member in MEMBERS.iter().filter(|member| line.contains(&format!("\"{member}\""))) {
                problems.push(format!("{}:{}: names the member `{member}`", source.path, number + 1));
            }
        }
    }
    super::report(&problems);
}
