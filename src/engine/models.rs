//! Models of engines that have several on their disk: where they are listed, and how one is loaded and unloaded.
//! Data only.
//!
//! In paths and bodies `{model}` is the model's name, escaped for where it stands.

/// How an engine is asked about its models, and told what to load.
#[derive(Debug)]
pub struct ModelPages {
    pub form: CatalogForm,
    /// All models, each with its state.
    pub list: &'static str,
    /// Says something, in server-sent events, whenever a state changes.
    pub events: Option<&'static str>,
    /// The properties of one that is loaded. Asking loads nothing and wakes nobody.
    pub properties: &'static str,
    /// The slots of one that is loaded. Asking loads nothing, but would wake it.
    pub slots: &'static str,
    pub load: Call,
    pub unload: Call,
    /// What the query of a request says so that it loads nothing by itself: it is refused where its model is not there.
    pub guard: &'static str,
}

/// How a list of models is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogForm {
    /// OpenAI's list; each entry has `aliases` and a `status` with `value`, `failed` and `exit_code`.
    Router,
}

/// A request that is an order.
#[derive(Debug)]
pub struct Call {
    pub path: &'static str,
    pub body: &'static str,
}

/// llama.cpp's server that was started without a model.
pub const ROUTER: ModelPages = ModelPages {
    form: CatalogForm::Router,
    list: "/models",
    events: Some("/models/sse"),
    properties: "/props?model={model}&autoload=false",
    slots: "/slots?model={model}&autoload=false",
    load: Call { path: "/models/load", body: r#"{"model":{model}}"# },
    unload: Call { path: "/models/unload", body: r#"{"model":{model}}"# },
    guard: "autoload=false",
};
