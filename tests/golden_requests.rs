//! What goes up for a request, in every dialect that is compiled in.
//!
//! `tests/golden/requests/NAME.json` becomes `tests/golden/DIALECT/request-NAME.json`.
//! `UPDATE_GOLDEN=1` writes the expected files anew; review them with `git diff`.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use toolgate::api::openai::Request;
use toolgate::dialect::{Dialect, Dialects};
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Head, Plan, Policy, Tools};

#[test]
fn requests_go_up_as_expected() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut compared = 0;
    for entry in fs::read_dir(golden.join("requests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let body = fs::read(&path).unwrap();
        for dialect in Dialects::builtin().iter() {
            let expected = golden.join(dialect.name()).join(format!("request-{name}"));
            let actual = rewritten(&body, dialect);
            if env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(expected.parent().unwrap()).unwrap();
                fs::write(&expected, &actual).unwrap();
            }
            let expected_bytes = fs::read(&expected).unwrap_or_default();
            assert!(actual == expected_bytes, "{} differs:\n{}", expected.display(), String::from_utf8_lossy(&actual));
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * Dialects::builtin().iter().count());
}

fn rewritten(body: &[u8], dialect: &Arc<Dialect>) -> Vec<u8> {
    let tools = Tools::new(ToolsMode::Inject, Arc::clone(dialect));
    let policy = Policy::of_tools(Engine::LlamaCpp, tools);
    let request = Request::read(body).unwrap();
    let planned = Plan::of(Head::CHAT, request, None, &policy, &Limits::default()).unwrap();
    assert!(planned.plan.exchange.is_some(), "{}: {planned:?}", dialect.name());
    planned.body.unwrap().to_vec()
}
