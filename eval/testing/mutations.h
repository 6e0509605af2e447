// Texts with random damage. For tests of readers.
//
// Example:
//   for (uint64_t seed = 0; seed < 1000; ++seed) Read(Mutate(text, seed));

#ifndef RCNN_EVAL_TESTING_MUTATIONS_H_
#define RCNN_EVAL_TESTING_MUTATIONS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::eval::testing {

// `text` after one to four edits: a flipped bit, another byte, a part removed, repeated or moved
// elsewhere, the end cut off, or something inserted that numbers, tables or JSON can trip over.
// The same seed gives the same text.
std::string Mutate(absl::string_view text, uint64_t seed);

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_MUTATIONS_H_
