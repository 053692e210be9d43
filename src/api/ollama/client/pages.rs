//! Small pages: what is offered, as clients ask for it before they chat. Knows no pools: it is told of models.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;

use super::mistake::Mistake;
use super::model::{Model, tagged};
use super::request::model;
use super::text::write_text;
use crate::api::time::written;
use crate::json::{Edit, Object};

/// `/`: by this clients know that somebody is there.
pub const RUNNING: &str = "Ollama is running";

/// `/api/pull` of a model that is offered: it is there already. A line of a stream needs a line feed behind it.
pub const PULLED: &str = r#"{"status":"success"}"#;

/// `/api/pull` of any other.
pub const UNKNOWN_PULL: Mistake =
    Mistake { status: 404, message: Cow::Borrowed("pull model manifest: file does not exist") };

/// `/api/create`, `/api/push`, `/api/copy`, `/api/delete` and blobs.
pub const NOT_MANAGED: Mistake = Mistake { status: 501, message: Cow::Borrowed("toolgate does not manage models") };

/// Whatever is asked of a model that nobody has. Clients look for these words, and offer to pull it then.
pub fn unknown_model(name: &str) -> Mistake {
    Mistake { status: 404, message: format!("model '{name}' not found").into() }
}

/// The model that a request of `/api/show` or `/api/pull` names, by either of the two members that do so. An error is the client's.
pub fn asked_model(body: &[u8]) -> Result<String, Mistake> {
    let asked = Object::of_body(body).ok_or_else(|| Mistake::new("the body must be a JSON object"))?;
    match (asked.present("model"), asked.present("name")) {
        (None | Some("\"\""), Some(name)) => {
            let renamed = asked.edited(&[("model", Edit::Set(name.into()))]);
            Object::parse(&renamed).map_or_else(|| Err(Mistake::new("model is required")), |asked| model(&asked))
        }
        _ => model(&asked),
    }
}

/// `/api/version`. Clients compare it number by number, so it has to be numbers and points.
pub fn version(version: &str) -> Bytes {
    let mut out = String::from("{\"version\":");
    write_text(version, &mut out);
    out.push('}');
    out.into()
}

/// `/api/tags`: all models that are offered.
pub fn tags(models: &[Model]) -> Bytes {
    list(models, |model, out| {
        write_names(model, out);
        write_member("modified_at", &written(model.modified), out);
        write_file(model, out);
        write_details(model, out);
        write_capabilities(model, out);
    })
}

/// `/api/ps`: those that can be asked at once.
pub fn ps(models: &[Model]) -> Bytes {
    list(models, |model, out| {
        write_names(model, out);
        write_file(model, out);
        write_details(model, out);
        write_member("expires_at", NEVER, out);
        // Writing to a string does not fail.
        let _ = write!(out, ",\"size_vram\":{}", model.size.unwrap_or(0));
        if let Some(tokens) = model.context_length {
            let _ = write!(out, ",\"context_length\":{tokens}");
        }
    })
}

/// `/api/show`: all that is known of a model.
pub fn show(model: &Model) -> Bytes {
    let mut out = String::from("{\"modelfile\":\"\",\"parameters\":\"\"");
    write_member("template", model.template.as_deref().unwrap_or_default(), &mut out);
    write_details(model, &mut out);
    let architecture = model.architecture.as_deref().unwrap_or(UNKNOWN);
    out.push_str(",\"model_info\":{\"general.architecture\":");
    write_text(architecture, &mut out);
    write_member("general.basename", &model.name, &mut out);
    let length = format!("{architecture}.context_length");
    for (key, count) in [("general.parameter_count", model.parameters), (length.as_str(), model.context_length)] {
        if let Some(count) = count {
            out.push(',');
            write_text(key, &mut out);
            let _ = write!(out, ":{count}");
        }
    }
    out.push('}');
    write_capabilities(model, &mut out);
    write_member("modified_at", &written(model.modified), &mut out);
    out.push('}');
    out.into()
}

fn list(models: &[Model], write: impl Fn(&Model, &mut String)) -> Bytes {
    let mut out = String::from("{\"models\":[");
    for (at, model) in models.iter().enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        write(model, &mut out);
        out.push('}');
    }
    out.push_str("]}");
    out.into()
}

fn write_names(model: &Model, out: &mut String) {
    let name = tagged(&model.name);
    out.push_str("\"name\":");
    write_text(&name, out);
    write_member("model", &name, out);
}

fn write_file(model: &Model, out: &mut String) {
    let _ = write!(out, ",\"size\":{}", model.size.unwrap_or(0));
    write_member("digest", &digest(&tagged(&model.name)), out);
}

fn write_details(model: &Model, out: &mut String) {
    let family = model.architecture.as_deref().unwrap_or(UNKNOWN);
    out.push_str(",\"details\":{\"parent_model\":\"\",\"format\":\"gguf\"");
    write_member("family", family, out);
    out.push_str(",\"families\":[");
    write_text(family, out);
    out.push(']');
    write_member("parameter_size", &model.parameters.map(rounded).unwrap_or_default(), out);
    write_member("quantization_level", model.quantization.as_deref().unwrap_or(UNKNOWN), out);
    out.push('}');
}

fn write_capabilities(model: &Model, out: &mut String) {
    out.push_str(",\"capabilities\":[");
    for (at, capability) in model.capabilities.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_text(capability.name(), out);
    }
    out.push(']');
}

fn write_member(key: &str, text: &str, out: &mut String) {
    out.extend([",\"", key, "\":"]);
    write_text(text, out);
}

/// A count of parameters for people, such as `7.6B`.
fn rounded(parameters: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| parameters >= *unit) else {
        return parameters.to_string();
    };
    format!("{}.{}{name}", parameters / unit, parameters % unit * 10 / unit)
}

/// 64 hexadecimal digits that tell a name from others. They are no checksum of a file, and nobody can check them.
fn digest(name: &str) -> String {
    let mut out = String::new();
    for seed in 0..4_u8 {
        // FNV-1a, over the number of the part and the name.
        let hash = [seed]
            .into_iter()
            .chain(name.bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let _ = write!(out, "{hash:016x}");
    }
    out
}

const UNKNOWN: &str = "unknown";
/// No model here is unloaded by time; clients want one all the same.
const NEVER: &str = "2300-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model::Capability;
    use super::*;

    fn known() -> Model {
        Model {
            name: "x".to_owned(),
            size: Some(4_683_073_184),
            parameters: Some(7_615_616_512),
            quantization: Some("Q4_K_M".to_owned()),
            context_length: Some(8192),
            architecture: Some("arch".to_owned()),
            template: Some("{{ x }}".to_owned()),
            capabilities: vec![Capability::Completion, Capability::Tools],
            modified: 1_795_838_400,
        }
    }

    fn unknown() -> Model {
        Model { name: "y:8b".to_owned(), ..Model::default() }
    }

    fn read(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    fn details(family: &str, size: &str, quantization: &str) -> Value {
        json!({"parent_model": "", "format": "gguf", "family": family, "families": [family],
            "parameter_size": size, "quantization_level": quantization})
    }

    #[test]
    fn models_are_listed() {
        let mut tags = read(&tags(&[known(), unknown()]));
        let mut ps = read(&ps(&[known(), unknown()]));
        let mut digests = Vec::new();
        for list in [&mut tags, &mut ps] {
            for model in list["models"].as_array_mut().unwrap() {
                digests.push(model.as_object_mut().unwrap().remove("digest").unwrap().as_str().unwrap().to_owned());
            }
        }
        assert!(digests.iter().all(|digest| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())));
        assert!(digests[0] == digests[2] && digests[1] == digests[3] && digests[0] != digests[1], "{digests:?}");
        let expected = json!({"models": [
            {"name": "x:latest", "model": "x:latest", "modified_at": "2026-11-28T04:00:00Z", "size": 4_683_073_184_u64,
                "details": details("arch", "7.6B", "Q4_K_M"), "capabilities": ["completion", "tools"]},
            {"name": "y:8b", "model": "y:8b", "modified_at": "1970-01-01T00:00:00Z", "size": 0,
                "details": details("unknown", "", "unknown"), "capabilities": []},
        ]});
        assert_eq!(tags, expected);
        let expected = json!({"models": [
            {"name": "x:latest", "model": "x:latest", "size": 4_683_073_184_u64, "size_vram": 4_683_073_184_u64,
                "details": details("arch", "7.6B", "Q4_K_M"), "expires_at": NEVER, "context_length": 8192},
            {"name": "y:8b", "model": "y:8b", "size": 0, "size_vram": 0,
                "details": details("unknown", "", "unknown"), "expires_at": NEVER},
        ]});
        assert_eq!(ps, expected);
    }

    #[test]
    fn a_model_is_shown() {
        let expected = json!({"modelfile": "", "parameters": "", "template": "{{ x }}",
            "details": details("arch", "7.6B", "Q4_K_M"),
            "model_info": {"general.architecture": "arch", "general.basename": "x",
                "general.parameter_count": 7_615_616_512_u64, "arch.context_length": 8192},
            "capabilities": ["completion", "tools"], "modified_at": "2026-11-28T04:00:00Z"});
        assert_eq!(read(&show(&known())), expected);
        let shown = read(&show(&unknown()));
        assert_eq!(shown["model_info"], json!({"general.architecture": "unknown", "general.basename": "y:8b"}));
        assert_eq!(shown["template"], "");
    }

    #[test]
    fn the_asked_model_has_two_members() {
        for (body, expected) in [
            (r#"{"model":"x"}"#, Ok("x")),
            (r#"{"name":"x"}"#, Ok("x")),
            (r#"{"model":"","name":"x"}"#, Ok("x")),
            (r#"{"model":"x","name":"y"}"#, Ok("x")),
            (r#"{"name":7}"#, Err("model must be a string")),
            ("{}", Err("model is required")),
            ("x", Err("the body must be a JSON object")),
        ] {
            let asked = asked_model(body.as_bytes()).map_err(|mistake| mistake.message.into_owned());
            assert_eq!(asked.as_deref(), expected.map_err(str::to_owned).as_ref().map(|name| *name), "{body}");
        }
    }

    #[test]
    fn small_answers_have_their_form() {
        assert_eq!(read(&version("0.30.0")), json!({"version": "0.30.0"}));
        assert_eq!(read(&tags(&[])), json!({"models": []}));
        assert_eq!(serde_json::from_str::<Value>(PULLED).unwrap(), json!({"status": "success"}));
        assert_eq!(NOT_MANAGED.body(), r#"{"error":"toolgate does not manage models"}"#);
        assert_eq!(unknown_model("x").body(), r#"{"error":"model 'x' not found"}"#);
        let sizes = [0, 999, 1_500, 30_532_122, 7_615_616_512, 1_000_000_000_000].map(rounded);
        assert_eq!(sizes, ["0", "999", "1.5K", "30.5M", "7.6B", "1.0T"]);
    }
}
