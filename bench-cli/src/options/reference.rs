//! The reference of options, as a page.
//!
//! Owns the layout of `docs/reference/bench-cli-options.md`; the words are the table's. Called by
//! `main` for `bench-cli options`; a test compares the page in the repository with it.

use super::foreign::{self, Foreign};
use super::{OptionDef, Scope};

/// The page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "# Options of `bench-cli run`\n\n\
         Made by `bench-cli options --markdown` from the table that the program itself reads; do \
         not edit. The default stands in brackets. Every option works on the command line, with \
         `--` in front, and those of jobs also in job files.\n",
    );
    let scopes = [(Scope::Job, "Options of jobs"), (Scope::Run, "Options of the invocation")];
    for (scope, heading) in scopes {
        page.push_str(&format!(
            "\n## {heading}\n\n| option | value | what it does |\n|---|---|---|\n"
        ));
        super::all().filter(|option| option.scope == scope).for_each(|option| {
            page.push_str(&row(option));
        });
    }
    page.push_str(
        "\n## Options of fio that do nothing here\n\nThey are passed over with a note.\n\n\
         | option | why |\n|---|---|\n",
    );
    for (name, what) in foreign::all() {
        if let Foreign::NoEffect(why) = what {
            page.push_str(&format!("| `{name}` | {why} |\n"));
        }
    }
    page.push_str(
        "\n## Options of fio that are refused\n\nWith `--ignore_unsupported` they are passed over \
         with a warning.\n\n| option | why, or what to do |\n|---|---|\n",
    );
    for (name, what) in foreign::all() {
        if let Foreign::Unsupported(why) = what {
            page.push_str(&format!("| `{name}` | {why} |\n"));
        }
    }
    page
}

fn row(option: &OptionDef) -> String {
    let mut names = format!("`{}`", option.name);
    for alias in option.aliases {
        names.push_str(&format!(", `{alias}`"));
    }
    let value = option.value_name().replace('|', "\\|");
    format!("| {names} | {value} | {} |\n", option.help.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_the_repository_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/bench-cli-options.md");
        let page = std::fs::read_to_string(path).expect("docs/reference/bench-cli-options.md");
        assert!(
            page == super::markdown(),
            "docs/reference/bench-cli-options.md is out of date; make it anew with \
             'cargo run -p bench-cli -- options --markdown > docs/reference/bench-cli-options.md'"
        );
    }
}
