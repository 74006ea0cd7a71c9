//! Calls into the virtual machine: attached, in a frame of its own, with exceptions turned into errors.

use std::collections::BTreeMap;

use jni::objects::{GlobalRef, JByteArray, JClass, JObject, JString, JThrowable, JValue};
use jni::{JNIEnv, JavaVM};

use super::jni_table::{APPLICATION, BRIDGE, CLASS_LOADER, KEYS, LOAD_CLASS, LOCATOR, Method, TO_STRING};

/// Local references that a call may hold.
const FRAME: i32 = 16;

/// Why a call into Java came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    /// The machine itself, or a name that is not there.
    #[error("a call into Java: {0}")]
    Vm(#[from] jni::errors::Error),
    /// The method threw.
    #[error("{class}.{name} threw {what}")]
    Thrown {
        /// Where.
        class: &'static str,
        /// Where.
        name: &'static str,
        /// The exception in its own words.
        what: String,
    },
    /// A class that is called is not among those that were looked up at the start.
    #[error("the class {0} was not looked up")]
    NoClass(&'static str),
}

/// The virtual machine, the app and its classes.
pub struct Java {
    vm: JavaVM,
    app: GlobalRef,
    classes: BTreeMap<&'static str, GlobalRef>,
}

/// An argument.
pub enum Arg<'a> {
    /// The app itself, where a `Context` is wanted.
    App,
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Yes or no.
    Flag(bool),
}

impl Java {
    /// The machine this process runs in. Call once, from the app's main thread: the window's library has told where it is before
    /// it called that, and takes it back when the window goes. What is kept here stays.
    #[allow(unsafe_code, reason = "two pointers of the system become what the library can work with")]
    pub fn of_this_process() -> Result<Self, JavaError> {
        let context = ndk_context::android_context();
        // SAFETY: tao initialised both from the live machine and a global reference to the activity before it called `main`.
        let (vm, activity) =
            unsafe { (JavaVM::from_raw(context.vm().cast())?, JObject::from_raw(context.context().cast())) };
        let (app, classes) = {
            let mut env = vm.attach_current_thread()?;
            env.with_local_frame(FRAME, |env| {
                let app = object(env, &activity, APPLICATION, &[])?;
                let loader = object(env, &app, CLASS_LOADER, &[])?;
                let mut classes = BTreeMap::new();
                for name in [KEYS, LOCATOR, BRIDGE] {
                    let dotted = env.new_string(name.replace('/', "."))?;
                    let class = object(env, &loader, LOAD_CLASS, &[JValue::Object(&dotted)])?;
                    classes.insert(name, env.new_global_ref(class)?);
                }
                Ok::<_, JavaError>((env.new_global_ref(app)?, classes))
            })?
        };
        Ok(Self { vm, app, classes })
    }

    /// Calls a static method that gives nothing.
    pub fn run(&self, method: Method, args: &[Arg<'_>]) -> Result<(), JavaError> {
        self.call(method, args, |_, value| value.v())
    }

    /// Calls one that gives a number.
    pub fn int(&self, method: Method, args: &[Arg<'_>]) -> Result<i32, JavaError> {
        self.call(method, args, |_, value| value.i())
    }

    /// Calls one that says yes or no.
    pub fn says(&self, method: Method, args: &[Arg<'_>]) -> Result<bool, JavaError> {
        self.call(method, args, |_, value| value.z())
    }

    /// Calls one that gives text.
    pub fn text(&self, method: Method, args: &[Arg<'_>]) -> Result<String, JavaError> {
        self.call(method, args, |env, value| {
            let text = JString::from(value.l()?);
            Ok(env.get_string(&text)?.into())
        })
    }

    /// Calls one that gives bytes or null.
    pub fn bytes(&self, method: Method, args: &[Arg<'_>]) -> Result<Option<Vec<u8>>, JavaError> {
        self.call(method, args, |env, value| {
            let bytes = JByteArray::from(value.l()?);
            if bytes.is_null() { Ok(None) } else { env.convert_byte_array(&bytes).map(Some) }
        })
    }

    /// Calls one that gives `N` numbers or null.
    pub fn doubles<const N: usize>(&self, method: Method, args: &[Arg<'_>]) -> Result<Option<[f64; N]>, JavaError> {
        self.call(method, args, |env, value| {
            let array = jni::objects::JDoubleArray::from(value.l()?);
            if array.is_null() {
                return Ok(None);
            }
            let mut numbers = [0.0; N];
            env.get_double_array_region(&array, 0, &mut numbers)?;
            Ok(Some(numbers))
        })
    }

    fn call<T>(
        &self,
        method: Method,
        args: &[Arg<'_>],
        read: impl FnOnce(&mut JNIEnv<'_>, jni::objects::JValueOwned<'_>) -> jni::errors::Result<T>,
    ) -> Result<T, JavaError> {
        let class = self.classes.get(method.class).ok_or(JavaError::NoClass(method.class))?;
        // A thread that was not attached is detached again; one of the window's stays as it was.
        let mut env = self.vm.attach_current_thread()?;
        env.with_local_frame(FRAME, |env| {
            let objects = args.iter().map(|arg| self.given(env, arg)).collect::<Result<Vec<_>, _>>()?;
            let values: Vec<JValue<'_, '_>> = args
                .iter()
                .zip(&objects)
                .map(|(arg, object)| match arg {
                    Arg::Flag(flag) => JValue::Bool((*flag).into()),
                    Arg::App | Arg::Text(_) | Arg::Bytes(_) => JValue::Object(object),
                })
                .collect();
            let class: &JClass<'_> = class.as_obj().into();
            let value = env.call_static_method(class, method.name, method.signature, &values);
            let value = value.map_err(|error| thrown(env, method, error))?;
            read(env, value).map_err(|error| thrown(env, method, error))
        })
    }

    fn given<'local>(&self, env: &mut JNIEnv<'local>, arg: &Arg<'_>) -> Result<JObject<'local>, JavaError> {
        Ok(match arg {
            Arg::App => env.new_local_ref(&self.app)?,
            Arg::Text(text) => env.new_string(text)?.into(),
            Arg::Bytes(bytes) => env.byte_array_from_slice(bytes)?.into(),
            Arg::Flag(_) => JObject::null(),
        })
    }
}

/// Calls a method of an object that gives an object.
fn object<'local>(
    env: &mut JNIEnv<'local>,
    on: &JObject<'_>,
    method: Method,
    args: &[JValue<'_, '_>],
) -> Result<JObject<'local>, JavaError> {
    let value = env.call_method(on, method.name, method.signature, args);
    Ok(value.map_err(|error| thrown(env, method, error))?.l()?)
}

/// What was thrown, taken off the thread: with an exception pending the next call would end the process.
fn thrown(env: &mut JNIEnv<'_>, method: Method, error: jni::errors::Error) -> JavaError {
    let Some(what) = exception(env).filter(|exception| !exception.is_null()) else { return error.into() };
    let words = env.call_method(&what, TO_STRING.name, TO_STRING.signature, &[]).and_then(|value| value.l());
    let words = words.map(JString::from).and_then(|text| Ok(env.get_string(&text)?.into()));
    // Saying it may have thrown in its turn.
    let what = match (words, exception(env)) {
        (Ok(words), None) => words,
        _ => "something that cannot be put in words".to_owned(),
    };
    JavaError::Thrown { class: method.class, name: method.name, what }
}

fn exception<'local>(env: &mut JNIEnv<'local>) -> Option<JThrowable<'local>> {
    let pending = env.exception_occurred().ok().filter(|exception| !exception.is_null())?;
    env.exception_clear().ok()?;
    Some(pending)
}
