"""One model is traced at a time in a process."""

import threading

#: Held while a model is read or traced.  Modeling languages keep their handlers in lists of the
#: process, so a model that is traced in one thread would see the handlers of another thread.
TRACING = threading.RLock()
