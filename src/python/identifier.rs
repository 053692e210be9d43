//! Names that Python takes, made of the ones that JSON has. What is shown to a model and what is read from it go by the
//! same rules.

/// The name of a model's class: words in capitals, and nothing that Python refuses.
pub fn class_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_start = true;
    for c in name.chars() {
        if is_part(c) {
            out.extend(if is_start { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] });
            is_start = false;
        } else {
            is_start = true;
        }
    }
    // Not every script has capitals, by which a class is told.
    if !out.starts_with(char::is_uppercase) {
        out.insert_str(0, "Model");
    }
    out
}

/// The name of the class that stands for a tool's arguments: what their schema is called, else what the tool is.
pub fn model_name(tool: &str, title: Option<&str>) -> String {
    title.filter(|title| !title.is_empty()).map_or_else(|| class_name(tool) + "Model", class_name)
}

/// The keyword that stands for a property: what Python refuses in a name is an underscore, and one follows its own words.
pub fn field_name(key: &str) -> String {
    let mut out: String = key.chars().map(|c| if c == '_' || is_part(c) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
        out.insert_str(0, "field_");
    }
    if KEYWORDS.contains(&out.as_str()) {
        out.push('_');
    }
    out
}

/// The name of an enum's member that stands for a value.
pub fn member_name(value: &str) -> String {
    field_name(value)
}

/// Whether Python takes it for a name as it is: it makes others of some that are not ASCII.
pub fn is_name(text: &str) -> bool {
    text.is_ascii() && is_word(text)
}

/// Whether it is a name, in any script.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && field_name(text) == text
}

/// Whether it names a class, perhaps in a module: what is called so makes a value.
pub fn is_class(text: &str) -> bool {
    let name = text.rsplit('.').next().unwrap_or(text);
    name.starts_with(char::is_uppercase) && text.split('.').all(is_word)
}

/// Whether a name may hold it. Of numbers there are some that none may.
fn is_part(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit()
}

/// Words that mean something of their own.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ones_that_python_takes() {
        for (name, class, field) in [
            ("get_weather", "GetWeather", "get_weather"),
            ("getWeather", "GetWeather", "getWeather"),
            ("from", "From", "from_"),
            ("a-b", "AB", "a_b"),
            ("2nd", "Model2nd", "field_2nd"),
            ("mcp__files__read", "McpFilesRead", "mcp__files__read"),
            ("größe²", "Größe", "größe_"),
            ("城市", "Model城市", "城市"),
            ("", "Model", "field_"),
        ] {
            assert_eq!((class_name(name).as_str(), field_name(name).as_str()), (class, field), "{name}");
        }
        assert!(
            is_class("Unit") && is_class("models.Unit") && !is_class("unit") && !is_class("Unit.a-b") && !is_class("")
        );
        assert!(is_word("größe") && !is_name("größe"));
        for (title, expected) in [(None, "GetWeatherModel"), (Some(""), "GetWeatherModel"), (Some("my args"), "MyArgs")]
        {
            assert_eq!(model_name("get_weather", title), expected);
        }
        assert!(is_name("a1") && !is_name("1a") && !is_name("class") && !is_name(""));
    }
}
