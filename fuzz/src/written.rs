//! Calls as a dialect's models write them, to the letter.

use std::sync::Arc;

use toolgate::api::openai::Ids;
use toolgate::dialect::{ArgumentsForm, Dialect, Payload, Several};
use toolgate::encode::{CallHead, CallStyle, Encoder};

/// A tool's name, and its arguments as a JSON object.
pub type Call = (String, String);

/// An answer that is these calls.
pub fn answer(dialect: &Dialect, calls: &[Call]) -> String {
    let mut encoder = Encoder::new(Arc::new(CallStyle::of(dialect).expect("a spelling")));
    let mut ids = Ids::new(&dialect.spec().ids.mint, &[]);
    let mut out = String::new();
    for (name, arguments) in calls {
        let mut id = String::new();
        ids.write(name, &mut id);
        encoder.begin(CallHead { name, id: &id }, &mut out);
        encoder.arguments(arguments, &mut out);
        encoder.end(&mut out);
    }
    encoder.close(&mut out);
    out
}

/// The payload as which a dialect's values are written; none where they are JSON or Python's.
pub fn payload(dialect: &Dialect) -> Option<&Payload> {
    let spec = dialect.spec();
    let form = &spec.written.first().expect("at least one").arguments;
    spec.payload.iter().find(|payload| match payload {
        Payload::Tagged(_) => matches!(form, ArgumentsForm::Members(_)),
        Payload::Literal(_) => *form == ArgumentsForm::Literal,
        Payload::Elements(_) => *form == ArgumentsForm::Elements,
        Payload::Json(_) | Payload::Header(_) | Payload::Python(_) | Payload::Code(_) => false,
    })
}

/// What ends a value in which nothing is escaped, or a call, wherever it stands in it. Where values are JSON or
/// Python's, nothing does.
pub fn own_markup(dialect: &Dialect) -> Vec<String> {
    let spec = dialect.spec();
    let mut texts: Vec<&str> = match payload(dialect) {
        Some(Payload::Tagged(tags)) => {
            let own = [&tags.name.0, &tags.key.0, &tags.value.1, &tags.close];
            own.into_iter().flat_map(Several::texts).chain(tags.cdata.iter().flatten().map(String::as_str)).collect()
        }
        Some(Payload::Literal(literal)) => vec![&literal.quote],
        Some(Payload::Elements(elements)) => vec![&elements.prefix],
        _ => return Vec::new(),
    };
    let section = spec.section.iter().flat_map(|section| section.open.iter().chain(&section.close));
    let messages = spec.messages.iter().flat_map(|messages| messages.start.iter().chain(&messages.end));
    texts.extend(spec.call.open.iter().chain(&spec.call.close).chain(section).chain(messages).map(|text| text.trim()));
    texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}
