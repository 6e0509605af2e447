// SHA-256 (FIPS 180-4), to compare arrays with digests made elsewhere. For tests.

#ifndef RCNN_EVAL_TESTING_SHA256_H_
#define RCNN_EVAL_TESTING_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::eval::testing {

// The digest as 64 hexadecimal digits.
std::string Sha256(absl::string_view bytes);

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_SHA256_H_
