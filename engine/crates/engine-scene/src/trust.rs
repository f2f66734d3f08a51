//! Whose code a cell is, and what a stranger's may use.
use crate::fault::SceneFault;
use crate::scene::SceneCell;
use crate::suggest;
use cell_abi::ports::{Direction, Port, PortKind, PortTable};

/// The name by which the picture is granted, whatever a cell calls its port.
pub const BACKBUFFER: &str = "Backbuffer";

/// Whose code a cell is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Ours: built here, or vouched for.
    #[default]
    Own,
    /// A stranger's: it runs in a process, in the whole sandbox, and uses what it was granted.
    Untrusted(Grants),
}

/// What a stranger's cell may use. Nothing else is there for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Names that it may read.
    pub read: Vec<String>,
    /// Names that it may write, and read; [`BACKBUFFER`] is the picture.
    pub write: Vec<String>,
    /// Cells that it may send mail to.
    pub send: Vec<String>,
    /// Folders and files below the assets folder that it may open.
    pub assets: Vec<String>,
}

impl Trust {
    /// Returns what the cell was granted; nothing is asked of our own.
    #[must_use]
    pub fn grants(&self) -> Option<&Grants> {
        match self {
            Self::Own => None,
            Self::Untrusted(grants) => Some(grants),
        }
    }

    /// Returns whether the cell is a stranger's.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        self.grants().is_some()
    }
}

impl Grants {
    /// Returns whether the asset at `path` is, or lies below, one that was granted.
    #[must_use]
    pub fn may_open(&self, path: &str) -> bool {
        let is_plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        is_plain
            && self.assets.iter().any(|granted| {
                let rest = path.strip_prefix(granted.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }

    /// Returns whether it may send mail to the cell called `name`.
    #[must_use]
    pub fn may_send(&self, name: &str) -> bool {
        self.send.iter().any(|granted| granted == name)
    }

    /// Returns the list that the port's name must stand in, that name, and whether it does.
    fn judge<'a>(&'a self, port: &'a Port) -> Option<(&'static str, &'a str, bool)> {
        let has = |list: &[String], name: &str| list.iter().any(|granted| granted == name);
        let name = match port.kind {
            PortKind::Backbuffer => BACKBUFFER,
            // Its own content.
            PortKind::Sealed(_) => return None,
            PortKind::Texture(_) | PortKind::Buffer(_) => port.name.as_str(),
        };
        match port.direction {
            Direction::Own if name != BACKBUFFER => None,
            Direction::Input if name != BACKBUFFER => {
                Some(("read", name, has(&self.read, name) || has(&self.write, name)))
            }
            _ => Some(("write", name, has(&self.write, name))),
        }
    }
}

/// Returns a fault for each name that an untrusted cell binds and was not granted.
pub(crate) fn check(cell: &SceneCell, table: &PortTable) -> Vec<SceneFault> {
    let Some(grants) = cell.trust.grants() else { return Vec::new() };
    let refused = table.ports.iter().filter_map(|p| grants.judge(p).filter(|(_, _, granted)| !granted));
    let fault = |(list, name, _): (&str, &str, bool)| {
        let what = format!("`{}` is untrusted and {}s `{name}`, which it was not granted", cell.name, list);
        let given: &[String] = if list == "read" { &grants.read } else { &grants.write };
        let bound = |g: &&str| table.ports.iter().any(|p| p.name == **g) || **g == *BACKBUFFER;
        let idle = given.iter().map(String::as_str).filter(|g| !bound(g));
        let help = match suggest::nearest(name, idle) {
            Some(slip) => format!("`{slip}` was granted, which it does not bind: did you mean `{name}`?"),
            None => {
                let names = given.iter().map(String::as_str).chain([name]);
                let names: Vec<String> = names.map(|n| format!("\"{n}\"")).collect();
                format!("if it may, write `trust: Untrusted(.., {list}: [{}])`", names.join(", "))
            }
        };
        cell.fault_at(cell.trust_span, what, Some(help))
    };
    refused.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_granted_with_all_below_it_and_nothing_beside_it() {
        let grants =
            Grants { assets: vec!["mods/fire/".into(), "hdr/night.exr".into()], ..Grants::default() };
        for good in ["mods/fire/a.png", "mods/fire/deep/b.png", "mods/fire", "hdr/night.exr"] {
            assert!(grants.may_open(good), "{good}");
        }
        let bad = [
            "mods/fireworks/a",
            "mods",
            "mods/fire/../x",
            "mods/fire/./x",
            "mods/fire//x",
            "hdr/night.exr2",
            "",
        ];
        for bad in bad {
            assert!(!grants.may_open(bad), "{bad}");
        }
        assert!(!Grants::default().may_open("a"), "nothing by default");
    }
}
