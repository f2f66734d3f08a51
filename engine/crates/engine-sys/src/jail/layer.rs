//! The layers of the jail, and what is said when the machine refuses one.

use std::fmt;

macro_rules! layers {
    ($($name:ident $kind:ident $title:literal, $means:literal, $how:literal;)*) => {
        /// One layer of the jail. Each can be missing on some machine; the others stand without it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Layer {
            $(#[doc = $title] $name,)*
        }

        impl Layer {
            /// All layers, outermost first.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns its name.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// Returns what a cell could do without it.
            #[must_use]
            pub fn without(self) -> &'static str {
                match self { $(Self::$name => $means),* }
            }

            /// Returns how a user gets it.
            #[must_use]
            pub fn how(self) -> &'static str {
                match self { $(Self::$name => $how),* }
            }

            /// Returns whether the jail is full only with it. Control groups are not: limits of the process itself stand in for them.
            #[must_use]
            pub fn is_wall(self) -> bool {
                match self { $(Self::$name => layers!(@$kind)),* }
            }
        }
    };
    (@wall) => { true };
    (@belt) => { false };
}

layers! {
    UserNamespace wall "user namespace", "a cell runs as the engine's own user, and thread limits count all of that user's processes",
        "sysctl user.max_user_namespaces above 0; on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile with `userns,`; in a container, a seccomp profile that allows clone(CLONE_NEWUSER)";
    MountNamespace wall "mount namespace", "a cell has no root of its own", "as for the user namespace";
    PidNamespace wall "pid namespace", "a cell's process sees the numbers of others", "as for the user namespace";
    NetNamespace wall "network namespace", "only the call filter keeps a cell off the network", "as for the user namespace";
    IpcNamespace wall "ipc namespace", "only the call filter keeps a cell from System V memory of others", "as for the user namespace";
    UtsNamespace wall "uts namespace", "a cell can read the machine's name", "as for the user namespace";
    OwnUser wall "a user without rights", "a cell has the file rights of root, should it reach a file", "start the engine as an ordinary user";
    NoNewPrivileges wall "no new privileges", "nothing else of the jail can be trusted", "a Linux kernel from 3.5 on";
    DeathSignal wall "death with the engine", "a killed engine could leave this process behind", "a Linux kernel with PR_SET_PDEATHSIG";
    ClosedDescriptors wall "no inherited descriptors", "a cell could reach files that the engine has open", "a Linux kernel from 5.11 on (close_range with CLOSE_RANGE_CLOEXEC)";
    EmptyRoot wall "empty root", "only Landlock and the call filter hide the file system", "as for the user namespace; some containers also refuse mount()";
    NoCapabilities wall "no capabilities", "a cell could use privileges inside its namespace", "report this: every Linux lets a process give up capabilities";
    Landlock wall "Landlock", "only the empty root and the call filter hide the file system", "a Linux kernel from 5.13 on with `landlock` in its `lsm=` list";
    Limits wall "process limits", "a cell could take all memory or all threads", "report this: every Linux has setrlimit";
    LoadFilter wall "call filter while loading", "the constructors of a cell could call anything", "a Linux kernel with CONFIG_SECCOMP_FILTER, on x86-64";
    RunFilter wall "call filter while running", "a cell could call anything that the other layers allow", "a Linux kernel with CONFIG_SECCOMP_FILTER, on x86-64";
    MemoryGroup belt "memory control group", "memory is limited by address space and data size only, not by what is in use", "`systemd-run --user --scope -p Delegate=yes engine ...`";
    ThreadGroup belt "pids control group", "threads are limited per user only", "as for the memory control group";
    CpuGroup belt "cpu control group", "a cell's share of the processors is set by its nice value only", "as for the memory control group";
}

/// A layer that this machine refused, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The layer.
    pub layer: Layer,
    /// What the machine said.
    pub why: String,
}

impl Missing {
    pub(super) fn new(layer: Layer, why: impl fmt::Display) -> Self {
        Self { layer, why: why.to_string() }
    }

    /// Returns it as one line of text for the other side.
    pub(super) fn encode(&self) -> String {
        format!("{}\t{}", self.layer as u8, self.why.replace(['\n', '\t', '\0'], " "))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(super) fn decode(line: &str) -> Option<Self> {
        let (layer, why) = line.split_once('\t')?;
        let layer = *Layer::ALL.get(layer.parse::<usize>().ok()?)?;
        Some(Self { layer, why: why.to_owned() })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, why } = self;
        write!(f, "no {} ({why}): {}; to get it: {}", layer.title(), layer.without(), layer.how())
    }
}

/// Writes a list of layers as one sentence part.
pub(super) fn listed(missing: &[Missing]) -> String {
    let parts: Vec<String> = missing.iter().map(Missing::to_string).collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_survives_the_way_between_the_processes() {
        for layer in Layer::ALL {
            let missing = Missing::new(*layer, "no\nsuch\tthing");
            let back = Missing::decode(&missing.encode()).unwrap();
            assert_eq!((back.layer, back.why.as_str()), (*layer, "no such thing"));
        }
        assert_eq!(Missing::decode("200\tx"), None);
        assert_eq!(Missing::decode("nonsense"), None);
    }
}
