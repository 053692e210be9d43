//! Past arguments as elements that nest: one for each member of an object, and one for each item of a list.

use std::borrow::Cow;

use crate::dialect::{Dialect, ElementsSpec, Payload};
use crate::json::{Object, array, string};

/// Appends arguments, an element each.
pub(super) fn write_arguments(dialect: &Dialect, arguments: &Object<'_>, out: &mut String) {
    let mut specs = dialect.spec().payload.iter().filter_map(|payload| match payload {
        Payload::Elements(elements) => Some(elements),
        _ => None,
    });
    match specs.next() {
        Some(spec) => write_members(spec, arguments, out),
        None => out.push_str(arguments.text()),
    }
}

fn write_members(spec: &ElementsSpec, object: &Object<'_>, out: &mut String) {
    for (key, value) in object.members() {
        write_element(spec, key, value, out);
    }
}

fn write_element(spec: &ElementsSpec, name: &str, value: &str, out: &mut String) {
    let prefix = &spec.prefix;
    out.extend([prefix, "<", name, ">"]);
    if let Some(object) = Object::part(value) {
        write_members(spec, &object, out);
    } else if let Some(items) = array(value) {
        items.iter().for_each(|item| write_element(spec, &spec.item, item, out));
    } else {
        out.push_str(&string(value).unwrap_or(Cow::Borrowed(value)));
    }
    out.extend([prefix, "</", name, ">"]);
}
