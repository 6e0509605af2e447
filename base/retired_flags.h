// Flags that have been renamed: a call in the old spelling is told the new one.
//
// The old spelling is an error rather than an alias, so that scripts are brought
// up to date and a flag has one name. A flag that changes its name gets a line in
// the table of the source; every program looks there (program.h).
//
// Example: absl::string_view name = RenamedFlag("pictures");  // "worst_images"

#ifndef RCNN_BASE_RETIRED_FLAGS_H_
#define RCNN_BASE_RETIRED_FLAGS_H_

#include "absl/strings/string_view.h"

namespace rcnn {

// The present name of a flag that was once called `name`, without dashes; empty
// when there never was such a flag. The program may not have that flag.
absl::string_view RenamedFlag(absl::string_view name);

}  // namespace rcnn

#endif  // RCNN_BASE_RETIRED_FLAGS_H_
