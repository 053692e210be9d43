//! Properties of one server, as a page of its own tells them: its slots, whether it sleeps, and its chat template.
//! Asks for no page; it reads one by the form that its engine's row names.

use serde::Deserialize;

use crate::balance::{Report, State, Work};
use crate::engine::Form;
use crate::upstream::wire::ask::Reply;

/// What a server has that has several models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Several {
    /// How many of them can be loaded at once, if it says so.
    pub places: Option<u32>,
}

/// How the server is. A page that cannot be read says nothing against it.
pub fn report(form: Form, page: &Reply) -> Report {
    let Form::Props = form;
    let props: Option<Slots> = (page.status == 200).then(|| serde_json::from_slice(&page.body).ok()).flatten();
    let Some(props) = props else { return Report::default() };
    let state = if props.is_sleeping { State::Sleeping } else { State::Ready };
    Report { state, slots: props.total_slots.filter(|slots| *slots > 0), work: Work::Untold }
}

/// What it has, where it has several models; `None` where it has one. `Err` when the page cannot be read.
pub fn several(form: Form, page: &Reply) -> Result<Option<Several>, Unread> {
    let Form::Props = form;
    let props: Option<Role> = (page.status == 200).then(|| serde_json::from_slice(&page.body).ok()).flatten();
    let props = props.ok_or(Unread)?;
    let places = props.max_instances.filter(|places| *places > 0).unwrap_or(u32::MAX);
    Ok((props.role == "router").then_some(Several { places: Some(places) }))
}

/// A page that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

/// The chat template of its model.
pub fn chat_template(form: Form, body: &[u8]) -> serde_json::Result<String> {
    let Form::Props = form;
    serde_json::from_slice::<Template>(body).map(|props| props.chat_template)
}

/// What its page says of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelProperties {
    /// Tokens that one conversation may have.
    pub context: Option<u64>,
    pub chat_template: String,
    pub sees: bool,
    pub hears: bool,
    /// It turns texts into vectors, and writes none.
    pub embeds: bool,
}

/// What the page says of its model. What cannot be read says nothing.
pub fn of_model(form: Form, body: &[u8]) -> ModelProperties {
    let Form::Props = form;
    let props: OfModel = serde_json::from_slice(body).unwrap_or_default();
    ModelProperties {
        context: props.default_generation_settings.n_ctx,
        chat_template: props.chat_template,
        sees: props.modalities.vision,
        hears: props.modalities.audio,
        embeds: false,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfModel {
    default_generation_settings: Generation,
    modalities: Modalities,
    chat_template: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Generation {
    n_ctx: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Modalities {
    vision: bool,
    audio: bool,
}

#[derive(Deserialize)]
struct Slots {
    total_slots: Option<u32>,
    #[serde(default)]
    is_sleeping: bool,
}

#[derive(Deserialize)]
struct Role {
    #[serde(default)]
    role: String,
    /// With 0 as many as fit.
    max_instances: Option<u32>,
}

#[derive(Deserialize)]
struct Template {
    chat_template: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_a_server_is() {
        let table = [
            (200, r#"{"total_slots":4,"is_sleeping":false}"#, State::Ready, Some(4)),
            (200, r#"{"total_slots":4,"is_sleeping":true}"#, State::Sleeping, Some(4)),
            (200, r#"{"total_slots":0}"#, State::Ready, None),
            (200, r#"{"total_slots":-1}"#, State::Ready, None),
            (200, "<html>", State::Ready, None),
            (401, r#"{"total_slots":4}"#, State::Ready, None),
        ];
        for (status, body, state, slots) in table {
            let told = report(Form::Props, &Reply { status, body: body.into() });
            assert_eq!((told.state, told.slots), (state, slots), "{body}");
        }
    }

    #[test]
    fn a_server_of_several_models_says_so() {
        for (body, expected) in [
            (r#"{"role":"router","max_instances":2}"#, Ok(Some(2))),
            (r#"{"role":"router","max_instances":0}"#, Ok(Some(u32::MAX))),
            (r#"{"role":"model","max_instances":2,"total_slots":4}"#, Ok(None)),
            (r#"{"total_slots":4}"#, Ok(None)),
            ("<html>", Err(Unread)),
        ] {
            let several = several(Form::Props, &Reply { status: 200, body: body.into() });
            let expected = expected.map(|several| several.map(|places| Several { places: Some(places) }));
            assert_eq!(several, expected, "{body}");
        }
    }

    #[test]
    fn a_page_has_a_template_or_says_why_not() {
        for (body, expected) in [
            (r#"{"total_slots":-1,"chat_template":"{{x}}"}"#, Some("{{x}}")),
            (r#"{"total_slots":4}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(chat_template(Form::Props, body.as_bytes()).ok().as_deref(), expected, "{body}");
        }
    }
}
