//! The probe: imports a little memory and has the GPU copy it out. What a driver lists is not yet what it does.
use crate::{gpu::Gpu, upload};
use engine_sys::{MapRo, MapRw, Memfd, MemfdError};
use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

/// As large as the granule of large slots, so that a driver that pins larger pages is seen too.
const BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks that the GPU reads what the CPU writes to sealed, imported memory: before the import and after it. Returns
/// why not.
pub(super) fn probe(gpu: &Gpu) -> Result<(), String> {
    if gpu.import_alignment.is_none() {
        return Err("the driver has no VK_EXT_external_memory_host".to_owned());
    }
    let (writer, reader) = memory().map_err(|e| e.to_string())?;
    let write = |round: u8| {
        let bytes: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8 ^ (round * 0x5a)).collect();
        writer.copy_in(&bytes, 0).map(|()| bytes).map_err(|e| e.to_string())
    };
    let before = write(1)?;
    let imported = upload::import(gpu, &reader, 0..BYTES as u64)?;
    let seen_before = copied_out(gpu, &imported)?;
    let after = write(2)?;
    let seen_after = copied_out(gpu, &imported)?;
    if seen_before != before || seen_after != after {
        return Err("the GPU read other bytes than were written".to_owned());
    }
    Ok(())
}

/// Makes memory as the host makes it: sealed once its owner has mapped it, then mapped read-only.
fn memory() -> Result<(MapRw, Arc<MapRo>), MemfdError> {
    let memfd = Memfd::create("upload-probe", BYTES)?;
    let writer = MapRw::new(&memfd)?;
    memfd.seal_future_write()?;
    Ok((writer, Arc::new(MapRo::new(&memfd)?)))
}

fn copied_out(gpu: &Gpu, imported: &wgpu::Buffer) -> Result<Vec<u8>, String> {
    let size = BYTES as u64;
    let ((buffer, submitted), fault) = gpu.creating(|| {
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("upload probe"),
            size,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(imported, 0, &buffer, 0, size);
        let submitted = gpu.queue.submit([encoder.finish()]);
        (buffer, submitted)
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let (say, mapped) = mpsc::sync_channel(1);
    buffer.map_async(wgpu::MapMode::Read, .., move |result| drop(say.send(result)));
    let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: Some(PATIENCE) };
    gpu.device.poll(wait).map_err(|e| e.to_string())?;
    mapped.recv_timeout(PATIENCE).map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let bytes = buffer.get_mapped_range(..).map_err(|e| e.to_string())?;
    Ok(bytes.to_vec())
}
