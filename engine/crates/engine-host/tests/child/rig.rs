//! A small world without a renderer: buffers, cells, turns.
use cell_abi::{
    Status,
    ports::{BufferDesc, BufferUsage, Direction, PortKind, PortTable},
};
use engine_frame::plan::BufferId;
use engine_host::record::Record;
use engine_host::{
    Project,
    assets::AssetStore,
    book::{DeclaredBuffer, SlotBook},
    builder::BuiltCell,
    closer::{self, Closer},
    cx::{InstanceCx, Services, TurnKind},
    library::Libraries,
    par::ParPool,
    process_cell::{ProcessCell, Start},
    record::{PortSlots, SlotRead, SlotWrite},
    sealed::SealedStore,
    thread_cell::ThreadCell,
    trust::{self, Rights},
    turn::Placed,
};
use engine_scene::{Placement, Scene, SceneCell, check_params};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const CELLS: [&str; 5] = ["camera", "faulty", "many-cubes", "probe", "sky"];

/// What the tests share.
pub(crate) struct Rig {
    project: Project,
    services: Arc<Services>,
    libraries: Libraries,
    assets: tempfile::TempDir,
}

/// What came of one turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: Status,
    pub(crate) passes: Option<Vec<u8>>,
    pub(crate) sealed: Vec<u64>,
    pub(crate) published: Vec<Vec<u8>>,
}

enum Instance {
    Thread(closer::Instance<ThreadCell>),
    Process(Box<closer::Instance<ProcessCell>>),
}

impl Instance {
    fn placed(&mut self) -> &mut dyn Placed {
        match self {
            Self::Thread(cell) => cell,
            Self::Process(cell) => &mut **cell,
        }
    }
}

struct Line {
    name: Arc<str>,
    built: BuiltCell,
    params: Arc<[u8]>,
    placement: Placement,
    scene: SceneCell,
    /// Per port: the buffer, and whether the cell owns it.
    ports: Vec<Option<(BufferId, bool)>>,
    cx: Arc<InstanceCx>,
    instance: Option<Instance>,
    record: Record,
}

/// Some cells and their buffers.
pub(crate) struct World<'a> {
    rig: &'a Rig,
    book: SlotBook,
    lines: Vec<Line>,
    start: Start,
    // The last: it waits for the ends of all instances.
    closer: Closer,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let exe = std::env::current_exe().unwrap();
        let project = Project::find(Path::new(env!("CARGO_MANIFEST_DIR")), &exe).unwrap();
        project.build(&CELLS.map(str::to_owned), |_| {}).unwrap();
        let assets = tempfile::tempdir().unwrap();
        let services = Arc::new(Services {
            pool: ParPool::new(2).unwrap(),
            assets: AssetStore::new(assets.path().to_owned()),
            sealed: SealedStore::default(),
        });
        Self { project, services, libraries: Libraries::default(), assets }
    }

    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    pub(crate) fn services(&self) -> Arc<Services> {
        Arc::clone(&self.services)
    }

    pub(crate) fn assets(&self) -> PathBuf {
        self.assets.path().to_owned()
    }

    pub(crate) fn world(&self, scene: &str, placement: Placement) -> World<'_> {
        self.world_with(scene, placement, Closer::new().unwrap())
    }

    pub(crate) fn world_with(&self, scene: &str, placement: Placement, closer: Closer) -> World<'_> {
        let scene = Scene::parse("test.ron", scene).unwrap();
        let mut names: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        let mut buffers = Vec::new();
        for cell in &scene.cells {
            let built = self.project.stage(cell.cell.as_str()).unwrap();
            let name: Arc<str> = cell.name.as_str().into();
            let params = check_params(cell, &built.ports).unwrap().encoded.into();
            let mut ports = Vec::new();
            for port in &built.ports.ports {
                let PortKind::Buffer(buffer) = &port.kind else {
                    ports.push(None);
                    continue;
                };
                let world = if port.direction == Direction::Own {
                    format!("{name}.{}", port.name)
                } else {
                    port.name.clone()
                };
                let id = names.iter().position(|n| *n == world).unwrap_or_else(|| {
                    names.push(world);
                    names.len() - 1
                });
                let (id, owns) = (BufferId(id as u32), port.direction != Direction::Input);
                ports.push(Some((id, owns)));
                if owns {
                    let element_size = element_size(&built.ports, buffer);
                    let capacity = element_size
                        * if buffer.usage == BufferUsage::Uniform { 1 } else { buffer.max_count };
                    let owner = Arc::clone(&name);
                    buffers.push(DeclaredBuffer {
                        buffer: id,
                        owner,
                        capacity,
                        element_size,
                        history: false,
                        placement: trust::writer(cell, placement),
                    });
                }
            }
            let cx = InstanceCx::with_rights(Arc::clone(&name), Arc::clone(&self.services), Rights::of(cell));
            lines.push(Line {
                name,
                built,
                params,
                placement,
                scene: cell.clone(),
                ports,
                cx,
                instance: None,
                record: Record::default(),
            });
        }
        let mut book = SlotBook::default();
        book.declare(&buffers, |_| false).unwrap();
        World { rig: self, book, lines, start: Start::default(), closer }
    }
}

fn element_size(table: &PortTable, buffer: &BufferDesc) -> u32 {
    table.types.iter().find(|t| t.name == buffer.element).map_or(4, |t| t.size)
}

impl World<'_> {
    /// Makes all instances and runs their load and passes.
    pub(crate) fn start(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        for n in 0..self.lines.len() {
            self.make(n).unwrap();
            seen.push(self.turn(n, TurnKind::Load, 0).1);
            seen.push(self.turn(n, TurnKind::Passes, 0).1);
        }
        seen
    }

    /// Ticks all cells.
    pub(crate) fn frame(&mut self, frame: u64) -> Vec<Seen> {
        (0..self.lines.len()).map(|n| self.turn(n, TurnKind::Tick, frame).1).collect()
    }

    pub(crate) fn make(&mut self, n: usize) -> Result<(), String> {
        let path = self.lines[n].built.path.clone();
        self.make_from(n, &path)
    }

    /// From now on starts processes so.
    pub(crate) fn start_with(&mut self, start: Start) {
        self.start = start;
    }

    pub(crate) fn make_from(&mut self, n: usize, path: &Path) -> Result<(), String> {
        self.new_cx(n);
        self.place_now(n, path)
    }

    /// Ends an instance. Returns the host's side of the next one.
    pub(crate) fn new_cx(&mut self, n: usize) -> Arc<InstanceCx> {
        let line = &mut self.lines[n];
        line.instance = None;
        let services = Arc::clone(&self.rig.services);
        line.cx = InstanceCx::with_rights(Arc::clone(&line.name), services, Rights::of(&line.scene));
        Arc::clone(&line.cx)
    }

    /// Makes the next instance, after [`World::new_cx`].
    pub(crate) fn make_now(&mut self, n: usize) -> Result<(), String> {
        let path = self.lines[n].built.path.clone();
        self.place_now(n, &path)
    }

    /// Makes a new instance as the host does: the book first, then the process, then its region.
    fn place_now(&mut self, n: usize, path: &Path) -> Result<(), String> {
        let line = &mut self.lines[n];
        let writer = trust::writer(&line.scene, line.placement);
        let renewal = self.book.replace_instance(&line.name, writer);
        let (ends, start) = (self.closer.ends(), &self.start);
        let mut instance = match line.placement {
            Placement::Thread => {
                let library = self.rig.libraries.load(path).map_err(|e| e.to_string())?;
                Instance::Thread(ends.hold(ThreadCell::create(&library, &line.cx)?))
            }
            Placement::Process => {
                Instance::Process(Box::new(ends.hold(ProcessCell::create(path, &line.cx, start)?)))
            }
        };
        if let Some(renewal) = renewal {
            instance.placed().renew(renewal)?;
        }
        if let Some(renewal) = instance.placed().take_renewal() {
            assert!(self.book.adopt(renewal));
        }
        line.instance = Some(instance);
        Ok(())
    }

    pub(crate) fn turn(&mut self, n: usize, kind: TurnKind, frame: u64) -> (Status, Seen) {
        let line = &mut self.lines[n];
        let r = &mut line.record;
        let tick = kind == TurnKind::Tick;
        (r.frame, r.steps, r.dt_ns, r.time_ns) = (frame, u32::from(tick), 16_666_666, frame * 16_666_666);
        (r.seed, r.screen_px, r.params_version) = (frame ^ 7, [64, 36], 1);
        r.params = Arc::clone(&line.params);
        r.memory = Arc::clone(self.book.memory());
        r.ports.clear();
        r.behind.clear();
        let (mut holds, mut grants) = (Vec::new(), Vec::new());
        for port in &line.ports {
            let mut slots = PortSlots { blend: 1.0, ..PortSlots::default() };
            if let Some((buffer, owns)) = *port {
                if let Some((generation, p)) = self.book.hold_latest(buffer) {
                    holds.push((buffer, generation, p.slot));
                    let (slot, len, frame, stamp) = (p.slot, p.len as usize, p.frame, p.stamp());
                    slots.read = Some(SlotRead { buffer, slot, len, frame, stamp });
                }
                if owns && tick {
                    let first = r.behind.len() as u32;
                    let (generation, grant, count) = self.book.grant(buffer, frame, &mut r.behind).unwrap();
                    slots.write = Some(SlotWrite {
                        buffer,
                        slot: grant.slot,
                        stamp: grant.stamp,
                        behind: (first, count),
                    });
                    grants.push((buffer, generation, grant));
                }
            }
            r.ports.push(slots);
        }
        line.cx.io().begin(kind);
        let status = line.instance.as_mut().unwrap().placed().call(kind, r);
        let mut io = line.cx.io();
        let (passes, sealed) = (io.passes.take(), io.sealed.iter().map(|s| s.id).collect());
        drop(io);
        let mut seen = Seen { status, passes, sealed, published: Vec::new() };
        for (buffer, generation, slot) in holds {
            self.book.release(buffer, generation, slot);
        }
        for (buffer, generation, grant) in grants {
            let publication = self.book.publication(buffer, &grant).filter(|_| status.is_ok());
            if let Some(p) = self.book.settle(buffer, generation, &grant, publication.as_ref()).unwrap() {
                seen.published.push(self.bytes(buffer, p.slot, p.len));
            }
        }
        (status, seen)
    }

    fn bytes(&self, buffer: BufferId, slot: u8, len: u32) -> Vec<u8> {
        use engine_frame::packet::SlotMemory;
        self.book.memory().bytes(buffer, slot, 0, len.into()).unwrap().to_vec()
    }

    fn owned(&self, n: usize) -> BufferId {
        let mut owned = self.lines[n].ports.iter().flatten().filter(|p| p.1).map(|p| p.0);
        let first = owned.clone().next().unwrap();
        owned.find(|b| self.book.latest(*b).is_some()).unwrap_or(first)
    }

    /// Returns what readers of the cell's first buffer see of which something is published.
    pub(crate) fn newest(&self, n: usize) -> (u64, Vec<u8>) {
        let latest = self.book.latest(self.owned(n)).unwrap();
        (latest.frame, self.bytes(self.owned(n), latest.slot, latest.len))
    }

    pub(crate) fn region(&self, n: usize) -> u32 {
        self.book.memory().get(self.owned(n)).unwrap().region.id
    }

    pub(crate) fn pid(&self, n: usize) -> u32 {
        match &self.lines[n].instance {
            Some(Instance::Process(cell)) => cell.pid(),
            _ => panic!("it runs in no child"),
        }
    }

    pub(crate) fn place(&mut self, n: usize, placement: Placement) {
        self.lines[n].placement = placement;
    }

    pub(crate) fn ended(&mut self, n: usize) -> Option<String> {
        match self.lines[n].instance.as_mut() {
            Some(Instance::Process(cell)) => cell.ended(),
            _ => None,
        }
    }

    pub(crate) fn end(&mut self, n: usize) {
        self.lines[n].instance = None;
    }

    pub(crate) fn cx(&self, n: usize) -> Arc<InstanceCx> {
        Arc::clone(&self.lines[n].cx)
    }

    pub(crate) fn lost(&self, n: usize) -> Option<String> {
        self.lines[n].cx.io().lost.clone()
    }

    pub(crate) fn failure(&self, n: usize) -> Option<String> {
        self.lines[n].cx.io().failure.clone()
    }

    pub(crate) fn opened_assets(&self, n: usize) -> Vec<String> {
        self.lines[n].cx.io().assets.iter().map(|a| a.0.to_string()).collect()
    }
}

/// Runs both cells of a world for some frames and returns all that they published and handed over.
pub(crate) fn run(world: &mut World, frames: u64) -> Vec<Seen> {
    let mut seen = world.start();
    for frame in 0..frames {
        seen.extend(world.frame(frame));
    }
    seen
}
