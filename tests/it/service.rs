//! Under a service manager.
