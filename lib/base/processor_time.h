// Processor time that was used so far: what wall time cannot tell on a machine that others use, too.
#pragma once

#include "base/time.h"

namespace psctl {

Duration thread_processor_time();   // of the calling thread
Duration process_processor_time();  // of all threads of this process

}  // namespace psctl
