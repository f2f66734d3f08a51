//! Looking up ports.
use super::{super::target_size_px, PassProblem, Resolver};
use crate::{
    contracts::{BufferContract, Resource, TargetContract},
    plan::{BufferId, TargetId},
};
use cell_abi::ports::{BufferUsage, Port, PortKind, SealedPort};

impl<'a> Resolver<'a> {
    pub(super) fn port(&self, n: u16) -> Result<&'a Port, PassProblem> {
        let ports = &self.cell.table.ports;
        ports.get(usize::from(n)).ok_or(PassProblem::NoSuchPort { port: n, count: ports.len() })
    }

    /// Returns the name of a port for a message.
    pub(super) fn port_name(&self, n: u16) -> String {
        self.port(n).map_or_else(|_| format!("port {n}"), |p| p.name.clone())
    }

    pub(super) fn wrong_kind(&self, n: u16, wanted: &'static str) -> PassProblem {
        match self.port(n) {
            Ok(p) => PassProblem::WrongKind { port: p.name.clone(), is: kind_name(&p.kind), wanted },
            Err(no_such_port) => no_such_port,
        }
    }

    pub(super) fn target(&self, id: TargetId) -> &'a TargetContract {
        self.input.contracts.target(id).expect("ports resolve to targets of the contracts")
    }

    pub(super) fn buffer(&self, id: BufferId) -> &'a BufferContract {
        self.input.contracts.buffer(id).expect("ports resolve to buffers of the contracts")
    }

    /// Returns the target that a pass may write through a port; `None` is the backbuffer.
    pub(super) fn writable(&self, n: u16) -> Result<Option<TargetId>, PassProblem> {
        let port = self.port(n)?;
        match self.cell.resources[usize::from(n)] {
            Resource::Target(_) if self.is_input(n) => {
                Err(PassProblem::WritesInput { port: port.name.clone() })
            }
            Resource::Target(id) => Ok(Some(id)),
            Resource::Backbuffer => Ok(None),
            Resource::Buffer(_) | Resource::Sealed => Err(self.wrong_kind(n, "a texture or the backbuffer")),
        }
    }

    pub(super) fn level(&self, n: u16, target: TargetId, level: u8) -> Result<u32, PassProblem> {
        let (level, mips) = (u32::from(level), self.target(target).desc.mips);
        if level < mips {
            Ok(level)
        } else {
            Err(PassProblem::NoSuchLevel { port: self.port_name(n), level, mips })
        }
    }

    /// Returns the size of a target's level 0, if a GPU can make it.
    pub(super) fn target_size(&self, n: u16, target: TargetId) -> Result<[u32; 2], PassProblem> {
        let size_px = target_size_px(&self.target(target).desc, self.input.screen_px);
        let max = self.limits.target_edge_px;
        if size_px.iter().any(|s| *s > max) {
            return Err(PassProblem::LargeTarget { port: self.port_name(n), size_px, max });
        }
        Ok(size_px)
    }
}

fn kind_name(kind: &PortKind) -> &'static str {
    match kind {
        PortKind::Texture(_) => "a texture",
        PortKind::Backbuffer => "the backbuffer",
        PortKind::Buffer(b) => match b.usage {
            BufferUsage::Uniform => "a Uniform",
            BufferUsage::Storage => "a Buffer",
            BufferUsage::Vertices => "Vertices",
            BufferUsage::Instances => "Instances",
            BufferUsage::Indices => "Indices",
            BufferUsage::Counts => "Counts",
        },
        PortKind::Sealed(s) => match s {
            SealedPort::Texture2d => "a SealedTexture",
            SealedPort::Vertices(_) => "SealedVertices",
            SealedPort::Instances(_) => "SealedInstances",
            SealedPort::Indices => "SealedIndices",
            SealedPort::Storage(_) => "a SealedStorage",
        },
    }
}
