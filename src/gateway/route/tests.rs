use super::*;
use crate::config::{Alias, Config, Secret};

/// One server, several servers, an alias, and a key for servers' pages.
const ONE: &[&str] = &["http://a"];
const TWO: &[&str] = &["http://a", "http://b"];

fn settings(servers: &[&str], change: impl Fn(&mut Config)) -> Settings {
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
    let mut config = Config::from_upstreams(&servers, &[], Some("hermes")).unwrap();
    change(&mut config);
    Settings::new(&config)
}

fn request(method: &str, target: &str, header: Option<(&'static str, &'static str)>) -> RequestHeader {
    let mut request = RequestHeader::build(method, target.as_bytes(), None).unwrap();
    if let Some((name, value)) = header {
        request.insert_header(name, value).unwrap();
    }
    request
}

#[test]
fn only_chat_and_json_with_a_model_are_read() {
    let json = ("content-type", "application/json; charset=utf-8");
    let form = ("content-type", "multipart/form-data");
    let gzip = ("content-encoding", "gzip");
    let idle = settings(ONE, |_| {});
    let matter = settings(ONE, |config| {
        config.view.aliases.push(Alias { name: "a".to_owned(), model: "m".to_owned() });
    });
    let table = [
        ("POST", "/v1/chat/completions", &idle, None, Kind::Chat),
        ("POST", "/chat/completions?key=x", &idle, None, Kind::Chat),
        ("POST", "/v1/chat/completions", &idle, Some(gzip), Kind::Pass),
        ("POST", "/v1/chat/completions", &idle, Some(("content-encoding", "identity")), Kind::Chat),
        ("GET", "/v1/chat/completions", &matter, None, Kind::Pass),
        ("POST", "/v1/chat/completions/x", &idle, None, Kind::Pass),
        ("POST", "/v1/embeddings", &idle, Some(json), Kind::Pass),
        ("POST", "/v1/embeddings", &matter, Some(json), Kind::Named),
        ("POST", "/v1/audio", &matter, Some(form), Kind::Pass),
        ("POST", "/embeddings", &matter, Some(json), Kind::Pass),
    ];
    for (method, path, settings, header, expected) in table {
        let route = Route::of(&request(method, path, header), settings, OllamaClients::Unknown);
        assert_eq!(route.kind, expected, "{method} {path} {header:?}");
    }
}

#[test]
fn each_page_has_its_own_route() {
    let one = settings(ONE, |_| {});
    let two = settings(TWO, |config| config.view.addressed = Some(Secret::new("k".to_owned())));
    let all = || Kind::Models(ModelsAsked::All);
    let model = |id: &str| Kind::Models(ModelsAsked::One(id.to_owned()));
    let server = |name: &str, target: &str| Kind::Server(ServerPath { name: name.into(), target: target.into() });
    let table = [
        ("GET", "/slots", &one, Kind::Hidden("/slots")),
        ("GET", "/upstream/a/slots", &two, server("a", "/slots")),
        ("POST", "/upstream/a%2Fb?x", &two, server("a%2Fb", "/?x")),
        ("GET", "/upstream/a/slots", &one, Kind::Pass),
        ("GET", "/v1/models", &one, Kind::ServersModels),
        ("HEAD", "/v1/models", &one, Kind::Pass),
        ("GET", "/v1/models", &two, all()),
        ("HEAD", "//v1/./models/", &two, all()),
        ("GET", "/models", &two, all()),
        ("GET", "/v1/models/org/m", &two, model("org/m")),
        ("GET", "/models/x", &two, Kind::ServersModels),
        ("POST", "/v1/streams/lookup", &two, Kind::KeptStreams(Asked::Lookup)),
        ("POST", "/v1/streams/lookup", &one, Kind::Pass),
        ("POST", "/tokenize", &one, Kind::BesideSlots),
        ("POST", "/v1/tokenize", &one, Kind::Pass),
        ("OPTIONS", "*", &two, Kind::Pass),
    ];
    for (method, path, settings, expected) in table {
        assert_eq!(
            Route::of(&request(method, path, None), settings, OllamaClients::Unknown).kind,
            expected,
            "{method} {path}"
        );
    }
}

#[test]
fn pages_of_ollamas_are_its_own_where_its_clients_are_served() {
    let idle = settings(ONE, |_| {});
    let page = Kind::OllamaPage;
    for (method, path, expected) in [
        ("POST", "/api/chat", Kind::OllamaChat(client::Page::Chat)),
        ("POST", "/api//generate?x", Kind::OllamaChat(client::Page::Generate)),
        ("POST", "/api/embed", Kind::OllamaEmbed(client::EmbedPage::Embed)),
        ("POST", "/api/embeddings", Kind::OllamaEmbed(client::EmbedPage::Embeddings)),
        ("GET", "/", page(OllamaPage::Root)),
        ("HEAD", "/", page(OllamaPage::Root)),
        ("GET", "/api/version", page(OllamaPage::Version)),
        ("GET", "/api/tags", page(OllamaPage::Tags)),
        ("GET", "/api/ps", page(OllamaPage::Running)),
        ("POST", "/api/show", page(OllamaPage::Show)),
        ("POST", "/api/pull", page(OllamaPage::Pull)),
        ("DELETE", "/api/delete", page(OllamaPage::Management)),
        ("HEAD", "/api/blobs/sha256:0", page(OllamaPage::Management)),
        ("GET", "/api/chat", Kind::Pass),
        ("POST", "/v1/chat/completions", Kind::Chat),
    ] {
        let request = request(method, path, None);
        assert_eq!(Route::of(&request, &idle, OllamaClients::Served).kind, expected, "{method} {path}");
        let elsewhere = Route::of(&request, &idle, OllamaClients::Unknown);
        assert!(!elsewhere.client().is_foreign(), "{method} {path}");
    }
}

#[test]
fn pages_of_anthropics_are_served_where_messages_become_chats() {
    let version = Some(("anthropic-version", "2023-06-01"));
    let gzip = Some(("content-encoding", "gzip"));
    let chats = settings(ONE, |_| {});
    let passes = settings(ONE, |config| config.pools[0].messages = crate::config::Messages::Pass);
    let models = |asked| Kind::AnthropicModels(asked);
    for (method, path, header, translated, passed) in [
        ("POST", "/v1/messages", None, Kind::Messages, Kind::Pass),
        ("POST", "/v1//messages?beta=true", version, Kind::Messages, Kind::Pass),
        ("POST", "/v1/messages", gzip, Kind::Pass, Kind::Pass),
        ("GET", "/v1/messages", None, Kind::Pass, Kind::Pass),
        ("GET", "/v1/messages", version, Kind::AnthropicUnknown, Kind::Pass),
        ("POST", "/v1/messages/count_tokens", None, Kind::CountTokens, Kind::Pass),
        ("POST", "/v1/messages/batches", version, Kind::AnthropicUnknown, Kind::Pass),
        ("POST", "/v1/messages/batches", None, Kind::Pass, Kind::Pass),
        ("GET", "/v1/files/x", version, Kind::AnthropicUnknown, Kind::Pass),
        ("POST", "/v1/complete", version, Kind::AnthropicUnknown, Kind::Pass),
        ("GET", "/v1/models", version, models(ModelsAsked::All), models(ModelsAsked::All)),
        (
            "GET",
            "/v1/models/a%2Fb",
            version,
            models(ModelsAsked::One("a/b".to_owned())),
            models(ModelsAsked::One("a/b".to_owned())),
        ),
        ("GET", "/v1/models", None, Kind::ServersModels, Kind::ServersModels),
        ("POST", "/v1/chat/completions", version, Kind::Chat, Kind::Chat),
        ("HEAD", "/", version, Kind::Pass, Kind::Pass),
    ] {
        let request = request(method, path, header);
        for (settings, expected) in [(&chats, translated), (&passes, passed)] {
            let route = Route::of(&request, settings, OllamaClients::Unknown);
            let is_its = !matches!(expected, Kind::Pass | Kind::ServersModels | Kind::Chat);
            assert_eq!((&route.kind, route.client().is_anthropics()), (&expected, is_its), "{method} {path}");
        }
    }
}

#[test]
fn what_is_asked_of_a_model_is_known_by_the_path() {
    for (method, path, expected) in [
        ("POST", "/v1/chat/completions", Operation::Chat),
        ("POST", "/chat/completions?x", Operation::Chat),
        ("POST", "/v1/completions", Operation::Completion),
        ("POST", "/embeddings", Operation::Embeddings),
        ("GET", "/v1/completions", Operation::Other),
        ("POST", "/v1/v1/completions", Operation::Other),
    ] {
        assert_eq!(operation(&request(method, path, None)), expected, "{method} {path}");
    }
}
