// A library whose constructor tries what it should not: it runs while the library is loaded. Built by the test with rustc.
#![no_std]

use core::ffi::{c_char, c_int, c_long, c_void};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[link(name = "c")]
unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    fn pthread_create(
        thread: *mut usize,
        attributes: *const c_void,
        run: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
}

/// Result, or the negative error number: open /etc/passwd, open for writing, socket, fork, kill the engine's group, writable code, a thread;
/// what that thread gets for opening "/" at last.
#[unsafe(no_mangle)]
pub static mut RESULTS: [i64; 8] = [1; 8];

macro_rules! call {
    ($($a:expr),*) => {{
        let result = unsafe { syscall($($a as c_long),*) } as i64;
        if result < 0 { -(unsafe { *__errno_location() } as i64) } else { result }
    }};
}

extern "C" fn thread(_: *mut c_void) -> *mut c_void {
    loop {
        let result = call!(257, -100, c"/".as_ptr() as usize, 0);
        unsafe { (&raw mut RESULTS[7]).write_volatile(result) };
        if result == -1 {
            return core::ptr::null_mut();
        }
        if result >= 0 {
            call!(3, result);
        }
    }
}

extern "C" fn constructor() {
    let path: *const c_char = c"/etc/passwd".as_ptr();
    let mut id = 0usize;
    let results = [
        call!(257, -100, path as usize, 0),
        call!(257, -100, path as usize, 2),
        call!(41, 1, 1, 0),
        call!(56, 17, 0, 0, 0, 0),
        call!(62, -1, 15),
        call!(9, 0, 4096, 7, 0x22, -1, 0),
        unsafe { pthread_create(&raw mut id, core::ptr::null(), thread, core::ptr::null_mut()) } as i64,
    ];
    for (n, result) in results.into_iter().enumerate() {
        unsafe { (&raw mut RESULTS[n]).write_volatile(result) };
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;
