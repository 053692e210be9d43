//! `tools.servers`: what is read of it, and its mistakes.

use super::*;

fn servers(yaml: &str) -> Vec<ToolServer> {
    good(&format!("{POOLS}tools:\n  servers:\n{yaml}")).tools.servers
}

fn pairs(pairs: &[(String, Secret)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect()
}

#[test]
fn servers_are_read() {
    let read = servers(
        "
    - name: docs
      command: [docs-mcp, --stdio, '${env.PORT}']
      env: { KEY: '${env.KEY}', LANG: C.UTF-8 }
      tools: [get_*, search]
      alias: { search: search_docs, get_a: look }
      timeout_seconds: 5
      pin: true
    - { name: wiki, url: 'http://${env.HOST}:9000/mcp/', headers: { Authorization: 'Bearer ${env.KEY}' } }
    - { name: plain, command: plain-mcp }
    - { name: root, url: 'http://h' }
",
    );
    let [docs, wiki, plain, root] = &read[..] else { panic!("four servers") };
    let Reach::Command { program, arguments, environment } = &docs.reach else { panic!("a command") };
    assert_eq!((program.as_str(), &arguments[..]), ("docs-mcp", &["--stdio".to_owned(), "8081".to_owned()][..]));
    assert_eq!(pairs(environment), [("KEY", "sk-secret"), ("LANG", "C.UTF-8")]);
    assert!(["get_x", "search"].iter().all(|tool| docs.tools.iter().any(|glob| glob.matches(tool))));
    assert!(!docs.tools.iter().any(|glob| glob.matches("delete")));
    let alias = |tool: &str, alias: &str| (tool.to_owned(), alias.to_owned());
    assert_eq!(docs.aliases, [alias("search", "search_docs"), alias("get_a", "look")]);
    assert_eq!((docs.timeout.as_secs(), docs.changes), (5, Changes::Refused));
    let Reach::Url { at, path, headers } = &wiki.reach else { panic!("a url") };
    assert_eq!((at.host.as_str(), at.port, path.as_str()), ("10.0.0.1", 9000, "/mcp/"));
    assert_eq!(pairs(headers), [("Authorization", "Bearer sk-secret")]);
    assert_eq!((wiki.timeout.as_secs(), wiki.changes, wiki.tools.len()), (60, Changes::Told, 1));
    assert!(matches!(&plain.reach, Reach::Command { program, .. } if program == "plain-mcp"));
    assert!(matches!(&root.reach, Reach::Url { path, .. } if path == "/"));
    assert!(!format!("{read:?}").contains("sk-secret"));
}

#[test]
fn a_server_may_have_the_tools_that_its_name_or_an_alias_stands_before() {
    let docs = servers("    - { name: docs, command: x, alias: { search: look } }\n").remove(0);
    for (tool, expected) in
        [("docs__search", true), ("look", true), ("docs_search", false), ("docsx__a", false), ("search", false)]
    {
        assert_eq!(docs.may_have(tool), expected, "{tool}");
    }
}

/// One mistake, or several, a row: the servers, and the lines that say what is wrong with them.
const MISTAKES: &[(&str, &str)] = &[
    ("[]", "1:18: servers is an empty list (fill it, or leave the key out)"),
    ("[{name: a, command: x}, {name: a, command: y}]", "1:42: server `a` twice (names are unique)"),
    ("[{name: a, command: x, url: 'http://h'}]", "1:46: a server with both `command` and `url` (make two of it)"),
];

#[test]
fn every_mistake_is_named_with_its_place_and_a_hint() {
    for (servers, expected) in MISTAKES {
        let yaml = format!("tools: {{servers: {servers}}}\n{POOLS}");
        let errors = read(&yaml).err().unwrap_or_else(|| panic!("no mistake found in\n{yaml}"));
        assert_eq!(errors.replace("t.yaml:", ""), *expected, "in\n{yaml}");
    }
}
