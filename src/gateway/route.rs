//! Route of a request: what it is to the gateway, found once, from its head.
//! Reads no body, and does nothing with what it finds.

use pingora::http::{Method, RequestHeader};

use crate::api::ClientApi;
use crate::api::ollama::client;
use crate::record::Operation;

use super::kept_stream::Asked;
use super::path::{Segments, origin_form, path, within};
use super::settings::Settings;

/// The paths of chat completions, whose requests may offer tools.
const CHAT: [&str; 2] = [CHAT_PAGE, "/chat/completions"];
const CHAT_PAGE: &str = "/v1/chat/completions";

/// Pages that servers answer beside their slots, whatever those do: llama.cpp's, and vLLM's of the same names.
const BESIDE: [&str; 3] = ["/tokenize", "/detokenize", "/apply-template"];

/// What stands before the name of a server that is asked for by it.
const SERVER: &[u8] = b"/upstream/";

/// Whether clients of Ollama's API are served where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OllamaClients {
    Served,
    Unknown,
}

/// What a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub kind: Kind,
    /// What it asks a model for, wherever it goes.
    pub operation: Operation,
    /// The page that servers are asked, where it is another than the client's.
    pub page: Option<&'static str>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page of the servers' own that clients do not reach: refused.
    Hidden(&'static str),
    /// The list of models over all servers: answered here.
    Models(ModelsAsked),
    /// A server's own list of models: it goes on without what is private.
    ServersModels,
    /// One server's page: goes there, whatever it is.
    Server(ServerPath),
    /// Streams that some of several servers may have kept: found by asking them.
    KeptStreams(Asked),
    /// A chat completion: read, and rewritten when it offers tools.
    Chat,
    /// JSON whose `model` chooses the pool, or may be an alias: read, and sent on as it came.
    Named,
    /// A question beside a server's slots: streamed, unread, and not queued.
    BesideSlots,
    /// What a client of Ollama's API asks of a model: read, and asked of a server in OpenAI's words.
    OllamaChat(client::Page),
    OllamaEmbed(client::EmbedPage),
    /// What such a client asks about models: answered here.
    OllamaPage(OllamaPage),
    /// A message of Anthropic's API: read, and asked of a server as the chat that it stands for.
    Messages,
    /// How many tokens such a message has: answered here.
    CountTokens,
    /// The list of models for such a client: answered here.
    AnthropicModels(ModelsAsked),
    /// Another page of that API.
    AnthropicUnknown,
    /// Anything else: streamed, unread.
    Pass,
}

/// A page of Ollama's about itself and its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OllamaPage {
    Root,
    Version,
    Tags,
    Show,
    Running,
    Pull,
    /// What changes a server's models.
    Management,
}

/// What of the list of models is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelsAsked {
    All,
    One(String),
}

/// A server's name, and what is asked of it: path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPath {
    pub name: Vec<u8>,
    pub target: Vec<u8>,
}

impl Default for Route {
    fn default() -> Self {
        Self { kind: Kind::Pass, operation: Operation::Other, page: None }
    }
}

impl Route {
    /// Finds it. The settings say which pages are hidden, and how many servers and names there are to tell apart.
    pub fn of(request: &RequestHeader, settings: &Settings, ollama: OllamaClients) -> Self {
        if ollama == OllamaClients::Served
            && let Some(route) = of_ollama(request)
        {
            return route;
        }
        if let Some(route) = of_anthropic(request, settings) {
            return route;
        }
        Self { kind: kind(request, settings), operation: operation(request), page: None }
    }

    /// The API that its client speaks, as far as that is known.
    pub fn client(&self) -> ClientApi {
        match self.kind {
            Kind::OllamaChat(_) | Kind::OllamaEmbed(_) | Kind::OllamaPage(_) => ClientApi::OllamaPage,
            Kind::Messages | Kind::CountTokens | Kind::AnthropicModels(_) | Kind::AnthropicUnknown => {
                ClientApi::AnthropicPage
            }
            _ => ClientApi::OpenAi,
        }
    }

    /// A chat in OpenAI's words, which a request in others stands for.
    pub fn chat() -> Self {
        Self { kind: Kind::Chat, operation: Operation::Chat, page: Some(CHAT_PAGE) }
    }

    /// What names a model, and goes up as it came.
    pub fn named() -> Self {
        Self { kind: Kind::Named, operation: Operation::Other, page: None }
    }

    /// A text to go on with, likewise.
    pub fn completion() -> Self {
        Self { kind: Kind::Named, operation: Operation::Completion, page: Some("/v1/completions") }
    }

    /// Embeddings, likewise.
    pub fn embeddings() -> Self {
        Self { kind: Kind::Named, operation: Operation::Embeddings, page: Some("/v1/embeddings") }
    }

    /// Whether a model's answer in OpenAI's shape is asked for.
    pub fn generates(&self) -> bool {
        matches!(self.operation, Operation::Chat | Operation::Completion)
    }
}

fn kind(request: &RequestHeader, settings: &Settings) -> Kind {
    let segments = Segments::of(request);
    if let Some(page) = within(request, &segments, &settings.view.hidden) {
        return Kind::Hidden(page.path);
    }
    if let Some(asked) = models(request, &segments)
        && settings.lists_models()
    {
        return Kind::Models(asked);
    }
    if settings.view.addressed.is_some()
        && let Some(server) = server(request)
    {
        return Kind::Server(server);
    }
    if let Some(asked) = Asked::of(request, &segments)
        && settings.keepers().iter().map(|pool| pool.peers().len()).sum::<usize>() > 1
    {
        return Kind::KeptStreams(asked);
    }
    if request.method == Method::GET && matches!(segments.list().as_slice(), [b"models", ..] | [b"v1", b"models", ..]) {
        return Kind::ServersModels;
    }
    of_path(request, settings)
}

/// What a request of Ollama's API is; `None` for any other.
fn of_ollama(request: &RequestHeader) -> Option<Route> {
    let segments = Segments::of(request);
    let (kind, operation) = match (&request.method, segments.list().as_slice()) {
        (&Method::POST, [b"api", b"chat"]) => (Kind::OllamaChat(client::Page::Chat), Operation::Chat),
        (&Method::POST, [b"api", b"generate"]) => (Kind::OllamaChat(client::Page::Generate), Operation::Chat),
        (&Method::POST, [b"api", b"embed"]) => (Kind::OllamaEmbed(client::EmbedPage::Embed), Operation::Embeddings),
        (&Method::POST, [b"api", b"embeddings"]) => {
            (Kind::OllamaEmbed(client::EmbedPage::Embeddings), Operation::Embeddings)
        }
        (method, path) => (Kind::OllamaPage(ollama_page(method, path)?), Operation::Other),
    };
    Some(Route { kind, operation, page: None })
}

/// What a request of Anthropic's API is; `None` for any other, and where every server has that API itself.
fn of_anthropic(request: &RequestHeader, settings: &Settings) -> Option<Route> {
    const VERSION: &str = "anthropic-version";
    let segments = Segments::of(request);
    let is_said = request.headers.contains_key(VERSION);
    let is_post = request.method == Method::POST && !is_compressed(request);
    let (kind, operation) = match segments.list().as_slice() {
        [b"v1", b"messages"] if is_post && settings.translates_messages() => (Kind::Messages, Operation::Chat),
        [b"v1", b"messages", b"count_tokens"] if is_post && settings.translates_messages() => {
            (Kind::CountTokens, Operation::Other)
        }
        [b"v1", b"messages", ..] | [b"v1", b"files", ..] | [b"v1", b"complete"]
            if is_said && settings.translates_messages() =>
        {
            (Kind::AnthropicUnknown, Operation::Other)
        }
        [b"v1", b"models", ..] if is_said => (Kind::AnthropicModels(models(request, &segments)?), Operation::Other),
        _ => return None,
    };
    Some(Route { kind, operation, page: None })
}

fn ollama_page(method: &Method, path: &[&[u8]]) -> Option<OllamaPage> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    Some(match path {
        [] if is_read => OllamaPage::Root,
        [b"api", b"version"] if is_read => OllamaPage::Version,
        [b"api", b"tags"] if is_read => OllamaPage::Tags,
        [b"api", b"ps"] if is_read => OllamaPage::Running,
        [b"api", b"show"] if method == Method::POST => OllamaPage::Show,
        [b"api", b"pull"] if method == Method::POST => OllamaPage::Pull,
        [b"api", b"create" | b"push" | b"copy" | b"delete"] | [b"api", b"blobs", ..] => OllamaPage::Management,
        _ => return None,
    })
}

/// What a request is that goes to whatever server is next.
fn of_path(request: &RequestHeader, settings: &Settings) -> Kind {
    let path = path(request);
    let may_name = request.method == Method::POST && !is_compressed(request) && !is_form(request);
    if may_name && settings.places_by_model_for(path) {
        // What runs beside a model's slots has to wait for the model all the same, and servers go by no type.
        return if CHAT.iter().any(|chat| chat.as_bytes() == path) { Kind::Chat } else { Kind::Named };
    }
    if BESIDE.iter().any(|page| page.as_bytes() == path) {
        Kind::BesideSlots
    } else if request.method != Method::POST || is_compressed(request) {
        Kind::Pass
    } else if CHAT.iter().any(|chat| chat.as_bytes() == path) {
        Kind::Chat
    } else if path.starts_with(b"/v1/") && is_json(request) && settings.tells_names_apart() {
        Kind::Named
    } else {
        Kind::Pass
    }
}

fn models(request: &RequestHeader, segments: &Segments) -> Option<ModelsAsked> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return None;
    }
    match segments.list().as_slice() {
        [b"models"] | [b"v1", b"models"] => Some(ModelsAsked::All),
        [b"v1", b"models", id @ ..] => Some(ModelsAsked::One(String::from_utf8_lossy(&id.join(&b'/')).into_owned())),
        _ => None,
    }
}

fn server(request: &RequestHeader) -> Option<ServerPath> {
    let target = origin_form(request);
    let rest = target.strip_prefix(SERVER)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (name, target) = rest.split_at(end);
    let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
    Some(ServerPath { name: name.to_vec(), target: [slash, target].concat() })
}

fn operation(request: &RequestHeader) -> Operation {
    if request.method != Method::POST {
        return Operation::Other;
    }
    let path = path(request);
    match path.strip_prefix(b"/v1").unwrap_or(path) {
        b"/chat/completions" => Operation::Chat,
        b"/completions" => Operation::Completion,
        b"/embeddings" => Operation::Embeddings,
        _ => Operation::Other,
    }
}

fn is_compressed(request: &RequestHeader) -> bool {
    let encoding = request.headers.get("content-encoding");
    encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether its body is of several parts, as files are sent.
fn is_form(request: &RequestHeader) -> bool {
    let content_type = request.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    content_type.to_ascii_lowercase().starts_with(b"multipart/")
}

/// Whether its body is JSON, as it says.
pub fn is_json(request: &RequestHeader) -> bool {
    let content_type = request.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json") || essence.to_ascii_lowercase().ends_with(b"+json")
}

#[cfg(test)]
mod tests;
