// Renamed flags: an error about the old name names the new one.
//
// The old name is an error, not an alias, so that scripts get updated and a flag
// has one name. A renamed flag gets a line in the table in the source file; every
// program checks it (program.h).
//
// Example:
//   absl::string_view name = RenamedFlag("pictures");  // "worst_images"

#ifndef RCNN_BASE_RETIRED_FLAGS_H_
#define RCNN_BASE_RETIRED_FLAGS_H_

#include "absl/strings/string_view.h"

namespace rcnn {

// The new name of the flag once called `name` (without dashes), or empty if there
// was no such flag. The calling program may not have the flag.
absl::string_view RenamedFlag(absl::string_view name);

}  // namespace rcnn

#endif  // RCNN_BASE_RETIRED_FLAGS_H_
