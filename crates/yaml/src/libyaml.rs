//! The only unsafe module: a safe face of libyaml's event parser and emitter.

#![expect(
    unsafe_code,
    reason = "libyaml's interface is C's; nothing outside this module sees a pointer"
)]

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::{ptr, slice};

use libyaml_rs as sys;

/// A place in the text, counted from 0 as libyaml counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// What stands in front of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Props {
    pub(crate) anchor: Option<String>,
    pub(crate) tag: Option<String>,
}

/// One step of the text's structure. Marks of stream and document are of no interest.
pub(crate) enum Event {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Alias { anchor: String, mark: Mark },
    Scalar { props: Props, value: String, plain: bool, mark: Mark },
    SequenceStart { props: Props, mark: Mark },
    MappingStart { props: Props, mark: Mark },
    End,
}

/// Why libyaml stopped.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) text: String,
    /// True if the scanner, false if the reader or the parser saw it.
    pub(crate) in_scanner: bool,
    pub(crate) mark: Mark,
    pub(crate) context: Mark,
}

/// Reads events from bytes.
pub(crate) struct Parser<'a> {
    /// On the heap, because libyaml keeps a pointer from the parser to itself.
    sys: Box<MaybeUninit<sys::yaml_parser_t>>,
    input: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        let mut sys = Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: initialize writes the whole struct; it then stays where it is (boxed) until deleted
        // in `drop`. `input` outlives `self` by the lifetime, and its pointer is never null.
        unsafe {
            assert!(sys::yaml_parser_initialize(sys.as_mut_ptr()).ok, "initialize cannot fail");
            sys::yaml_parser_set_input_string(sys.as_mut_ptr(), input.as_ptr(), input.len() as u64);
        }
        Self { sys, input: std::marker::PhantomData }
    }

    /// The next event. After `StreamEnd` or an error it must not be called again.
    pub(crate) fn next(&mut self) -> Result<Event, Problem> {
        loop {
            let mut event = MaybeUninit::<sys::yaml_event_t>::zeroed();
            // SAFETY: the parser is initialized; libyaml overwrites the event, and on success owns
            // nothing of it any more: we delete it after copying what we want.
            unsafe {
                if sys::yaml_parser_parse(self.sys.as_mut_ptr(), event.as_mut_ptr()).fail {
                    return Err(self.problem());
                }
                let copied = copy(&*event.as_ptr());
                sys::yaml_event_delete(event.as_mut_ptr());
                if let Some(event) = copied {
                    return Ok(event);
                }
            }
        }
    }

    fn problem(&self) -> Problem {
        // SAFETY: the parser is initialized.
        let parser = unsafe { &*self.sys.as_ptr() };
        // SAFETY: the problem is null or a static C string.
        let text = unsafe { string(parser.problem.cast()) };
        let text = text.unwrap_or_else(|| "unknown problem parsing YAML content".into());
        Problem {
            text,
            in_scanner: parser.error == sys::YAML_SCANNER_ERROR,
            mark: mark(&parser.problem_mark),
            context: mark(&parser.context_mark),
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, deleted only here.
        unsafe { sys::yaml_parser_delete(self.sys.as_mut_ptr()) }
    }
}

fn mark(mark: &sys::yaml_mark_t) -> Mark {
    Mark { line: mark.line, column: mark.column }
}

/// Copies what we need out of libyaml's event; `None` for the start of the stream.
///
/// # Safety
/// `event` was filled by a successful `yaml_parser_parse` and not deleted yet.
unsafe fn copy(event: &sys::yaml_event_t) -> Option<Event> {
    let at = mark(&event.start_mark);
    // SAFETY: the type says which member of the union is set; strings in it are null or NUL-ended, and
    // a scalar's value has `length` bytes.
    unsafe {
        Some(match event.type_ {
            sys::YAML_STREAM_START_EVENT => return None,
            sys::YAML_DOCUMENT_START_EVENT => Event::DocumentStart,
            sys::YAML_DOCUMENT_END_EVENT => Event::DocumentEnd,
            sys::YAML_ALIAS_EVENT => Event::Alias {
                anchor: string(event.data.alias.anchor).unwrap_or_default(),
                mark: at,
            },
            sys::YAML_SCALAR_EVENT => {
                let scalar = event.data.scalar;
                let length = usize::try_from(scalar.length).unwrap_or(0);
                let value = slice::from_raw_parts(scalar.value, length);
                Event::Scalar {
                    props: props(scalar.anchor, scalar.tag),
                    value: String::from_utf8_lossy(value).into_owned(),
                    plain: scalar.plain_implicit,
                    mark: at,
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                let start = event.data.sequence_start;
                Event::SequenceStart { props: props(start.anchor, start.tag), mark: at }
            }
            sys::YAML_MAPPING_START_EVENT => {
                let start = event.data.mapping_start;
                Event::MappingStart { props: props(start.anchor, start.tag), mark: at }
            }
            sys::YAML_SEQUENCE_END_EVENT | sys::YAML_MAPPING_END_EVENT => Event::End,
            _ => Event::StreamEnd,
        })
    }
}

/// # Safety
/// Both pointers are null or NUL-ended strings.
unsafe fn props(anchor: *const u8, tag: *const u8) -> Props {
    // SAFETY: as the caller promises.
    unsafe { Props { anchor: string(anchor), tag: string(tag) } }
}

/// # Safety
/// `text` is null or a NUL-ended string.
unsafe fn string(text: *const u8) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { CStr::from_ptr(text.cast()) }.to_string_lossy().into_owned())
}

/// How a scalar asks to be written; the emitter falls back to quotes where it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    DoubleQuoted,
    Literal,
}

/// Writes events as text. The calls must form one whole value.
pub(crate) struct Emitter {
    sys: Box<MaybeUninit<sys::yaml_emitter_t>>,
    #[expect(clippy::box_collection, reason = "libyaml holds the address of the vector itself")]
    out: Box<Vec<u8>>,
}

impl Emitter {
    pub(crate) fn new() -> Self {
        let mut this = Self { sys: Box::new(MaybeUninit::uninit()), out: Box::default() };
        let out: *mut Vec<u8> = &raw mut *this.out;
        // SAFETY: initialize writes the whole struct; emitter and output stay at their heap addresses
        // until the emitter is deleted in `drop`.
        unsafe {
            let emitter = this.sys.as_mut_ptr();
            assert!(sys::yaml_emitter_initialize(emitter).ok, "initialize cannot fail");
            sys::yaml_emitter_set_output(emitter, append, out.cast());
            sys::yaml_emitter_set_unicode(emitter, true);
        }
        this.emit(|event| {
            // SAFETY: `event` is writable memory of that type.
            unsafe { sys::yaml_stream_start_event_initialize(event, sys::YAML_UTF8_ENCODING).ok }
        });
        this.emit(|event| {
            // SAFETY: as above; null pointers mean "no directive".
            unsafe {
                sys::yaml_document_start_event_initialize(
                    event,
                    ptr::null_mut(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    true,
                )
                .ok
            }
        });
        this
    }

    pub(crate) fn scalar(&mut self, value: &str, style: Style) {
        let style = match style {
            Style::Plain => sys::YAML_PLAIN_SCALAR_STYLE,
            Style::DoubleQuoted => sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE,
            Style::Literal => sys::YAML_LITERAL_SCALAR_STYLE,
        };
        let length = i32::try_from(value.len()).expect("a scalar is shorter than 2 GiB");
        self.emit(|event| {
            // SAFETY: `value` has `length` bytes, which libyaml copies; null means no anchor, no tag.
            unsafe {
                let (none, value) = (ptr::null(), value.as_ptr());
                sys::yaml_scalar_event_initialize(
                    event, none, none, value, length, true, true, style,
                )
                .ok
            }
        });
    }

    pub(crate) fn start_sequence(&mut self, flow: bool) {
        let style =
            if flow { sys::YAML_FLOW_SEQUENCE_STYLE } else { sys::YAML_BLOCK_SEQUENCE_STYLE };
        self.emit(|event| {
            // SAFETY: `event` is writable; null means no anchor, no tag.
            unsafe {
                sys::yaml_sequence_start_event_initialize(
                    event,
                    ptr::null(),
                    ptr::null(),
                    true,
                    style,
                )
                .ok
            }
        });
    }

    pub(crate) fn end_sequence(&mut self) {
        // SAFETY: `event` is writable.
        self.emit(|event| unsafe { sys::yaml_sequence_end_event_initialize(event).ok });
    }

    pub(crate) fn start_mapping(&mut self) {
        let style = sys::YAML_BLOCK_MAPPING_STYLE;
        self.emit(|event| {
            // SAFETY: `event` is writable; null means no anchor, no tag.
            unsafe {
                sys::yaml_mapping_start_event_initialize(
                    event,
                    ptr::null(),
                    ptr::null(),
                    true,
                    style,
                )
                .ok
            }
        });
    }

    pub(crate) fn end_mapping(&mut self) {
        // SAFETY: `event` is writable.
        self.emit(|event| unsafe { sys::yaml_mapping_end_event_initialize(event).ok });
    }

    /// Ends the document and returns its text.
    pub(crate) fn finish(mut self) -> String {
        // SAFETY: `event` is writable.
        self.emit(|event| unsafe { sys::yaml_document_end_event_initialize(event, true).ok });
        // SAFETY: `event` is writable.
        self.emit(|event| unsafe { sys::yaml_stream_end_event_initialize(event).ok });
        // SAFETY: the emitter is initialized, and its output is still there.
        assert!(unsafe { sys::yaml_emitter_flush(self.sys.as_mut_ptr()) }.ok, "a vector takes all");
        String::from_utf8(std::mem::take(&mut *self.out)).expect("libyaml writes UTF-8")
    }

    fn emit(&mut self, init: impl FnOnce(*mut sys::yaml_event_t) -> bool) {
        let mut event = MaybeUninit::<sys::yaml_event_t>::zeroed();
        assert!(init(event.as_mut_ptr()), "our strings are UTF-8");
        // SAFETY: the event was initialized just now; the emitter takes over what it owns.
        let done = unsafe { sys::yaml_emitter_emit(self.sys.as_mut_ptr(), event.as_mut_ptr()) };
        assert!(done.ok, "events come in the right order");
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, deleted only here.
        unsafe { sys::yaml_emitter_delete(self.sys.as_mut_ptr()) }
    }
}

/// libyaml's write handler.
///
/// # Safety
/// `out` is the `Vec` given with this handler, `buffer` has `size` bytes.
unsafe fn append(out: *mut c_void, buffer: *mut u8, size: u64) -> i32 {
    // SAFETY: as the caller promises.
    unsafe {
        let (out, size) = (&mut *out.cast::<Vec<u8>>(), usize::try_from(size).unwrap_or(0));
        out.extend_from_slice(slice::from_raw_parts(buffer, size));
    }
    1
}
