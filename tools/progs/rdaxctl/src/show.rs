// SPDX-License-Identifier: GPL-2.0

//! Output, for programs as JSON and for humans as lines.

use serde_json::Value;

/// Prints `value`.
pub(crate) fn print(value: &Value, json: bool) {
    if json {
        println!("{value:#}");
    } else {
        print_lines(value, 0);
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// A list of plain fields as `name value, name value`.
fn in_line(value: &Value) -> Option<String> {
    let Value::Object(fields) = value else {
        return plain(value);
    };
    let fields: Option<Vec<String>> = fields
        .iter()
        .map(|(name, field)| plain(field).map(|field| format!("{name} {field}")))
        .collect();
    fields.map(|fields| fields.join(", "))
}

fn print_lines(value: &Value, depth: usize) {
    let indent = depth * 2;
    match value {
        Value::Object(fields) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            for (name, field) in fields {
                match plain(field) {
                    Some(text) => println!("{:indent$}{name:width$}  {text}", ""),
                    None => {
                        println!("{:indent$}{name}:", "");
                        print_lines(field, depth + 1);
                    }
                }
            }
        }
        Value::Array(list) => {
            for one in list {
                match in_line(one) {
                    Some(text) => println!("{:indent$}{text}", ""),
                    None => print_lines(one, depth),
                }
            }
        }
        other => println!("{:indent$}{}", "", plain(other).unwrap_or_default()),
    }
}
