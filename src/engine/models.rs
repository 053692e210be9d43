//! Models of engines that have several on their disk: where they are listed, and how one is loaded and unloaded.
//! Data only.
//!
//! In paths and bodies `{model}` is the model's name, escaped for where it stands.

/// How an engine is asked about its models, and told what to load.
#[derive(Debug)]
pub struct ModelPages {
    pub sign: Sign,
    /// All models. Asking loads nothing and wakes nobody.
    pub list: Listing,
    /// Those that are in memory, where the list does not say it. Asking loads nothing and wakes nobody.
    pub in_memory: Option<Listing>,
    /// Says something, in server-sent events, whenever a state changes.
    pub events: Option<&'static str>,
    /// The properties of one that is loaded, and is asked nothing before. Asking wakes nobody.
    pub properties: Option<&'static str>,
    /// Where a model says what it can do once its name is posted, loaded or not. Asking loads nothing.
    pub description: Option<&'static str>,
    /// Where one that is loaded and awake writes a conversation as it would read it. Its name stands in the body, too.
    pub rehearsal: Option<&'static str>,
    /// The slots of one that is loaded and awake.
    pub slots: Option<&'static str>,
    pub load: Call,
    pub unload: Call,
    /// What the query of a request says so that it loads nothing by itself: it is refused where its model is not there.
    pub guard: Option<&'static str>,
    /// Where a model is named and need not be loaded.
    pub unloaded: &'static [&'static str],
}

/// Which servers of an engine have several models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Those that say so among their properties, with how many of them can be loaded at once.
    Properties,
    /// All. How many can be loaded at once none says.
    Engine,
}

/// A page that lists models.
#[derive(Debug)]
pub struct Listing {
    pub path: &'static str,
    pub form: CatalogForm,
}

/// How a list of models is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogForm {
    /// OpenAI's list; an entry may have `aliases` and a `status` with `value`, `failed` and `exit_code`, and in its
    /// `meta` its `size` and, under `llamaswap`, a `peerID` where it is another machine's.
    OpenAi,
    /// `running`, each with `model` and `state`.
    Running,
    /// `models`, each with `name` and `size`, and with `remote_host` where it is another machine's. A name that ends
    /// with `:latest` is one without it, too.
    Tags,
    /// The same, of those that are in memory.
    Processes,
}

/// A request that is an order.
#[derive(Debug)]
pub struct Call {
    pub path: &'static str,
    /// What is posted there; without it, it is a GET.
    pub body: Option<&'static str>,
    pub answered: Answered,
}

/// When an order is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// As soon as it is taken.
    Taken,
    /// Once it is carried out. A load whose asker leaves before may be given up.
    Done,
}

/// llama.cpp's server that was started without a model.
pub const ROUTER: ModelPages = ModelPages {
    sign: Sign::Properties,
    list: Listing { path: "/models", form: CatalogForm::OpenAi },
    in_memory: None,
    events: Some("/models/sse"),
    properties: Some("/props?model={model}&autoload=false"),
    description: None,
    rehearsal: Some("/apply-template?autoload=false"),
    slots: Some("/slots?model={model}&autoload=false"),
    load: Call { path: "/models/load", body: Some(r#"{"model":{model}}"#), answered: Answered::Taken },
    unload: Call { path: "/models/unload", body: Some(r#"{"model":{model}}"#), answered: Answered::Taken },
    guard: Some("autoload=false"),
    unloaded: &[],
};

/// llama-swap. Whatever is asked under `/upstream/` loads its model, so only one that is ready is asked there.
pub const LLAMA_SWAP: ModelPages = ModelPages {
    sign: Sign::Engine,
    list: Listing { path: "/v1/models", form: CatalogForm::OpenAi },
    in_memory: Some(Listing { path: "/running", form: CatalogForm::Running }),
    // `/api/events` would do, but begins with its logs, all of them.
    events: None,
    properties: Some("/upstream/{model}/props"),
    description: None,
    rehearsal: Some("/upstream/{model}/apply-template"),
    slots: Some("/upstream/{model}/slots"),
    load: Call { path: "/upstream/{model}/health", body: None, answered: Answered::Done },
    unload: Call { path: "/api/models/unload/{model}", body: Some(""), answered: Answered::Done },
    guard: None,
    unloaded: &[],
};

/// Ollama. Its slots and templates are not read: it tells no slots, and its templates are of another language.
pub const OLLAMA: ModelPages = ModelPages {
    sign: Sign::Engine,
    list: Listing { path: "/api/tags", form: CatalogForm::Tags },
    in_memory: Some(Listing { path: "/api/ps", form: CatalogForm::Processes }),
    events: None,
    properties: None,
    description: Some("/api/show"),
    rehearsal: None,
    slots: None,
    // The one page that loads models of every kind: chat and generate refuse those that only embed.
    load: Call { path: "/api/embed", body: Some(r#"{"model":{model},"input":[]}"#), answered: Answered::Done },
    // One that has requests goes once they have ended.
    unload: Call {
        path: "/api/generate",
        body: Some(r#"{"model":{model},"keep_alive":0}"#),
        answered: Answered::Taken,
    },
    guard: None,
    unloaded: &["/api/copy", "/api/create", "/api/delete", "/api/pull", "/api/push", "/api/show"],
};
