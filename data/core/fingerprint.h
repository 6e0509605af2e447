// A 128-bit hash of a sequence of values, the same on every machine and in every
// version.
//
// Shows whether two datasets have the same annotations. Not secure against forgery.
// Strings are hashed with their length, so that ("ab", "c") and ("a", "bc") differ.
//
// Example:
//   Fingerprint fingerprint;
//   fingerprint.Add("person").Add(int64_t{640}).Add(0.5);
//   std::string hex = fingerprint.Hex();

#ifndef RCNN_DATA_CORE_FINGERPRINT_H_
#define RCNN_DATA_CORE_FINGERPRINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::data {

class Fingerprint {
 public:
  Fingerprint& Add(int64_t value);
  // Hashes the bits, except that -0.0 equals 0.0.
  Fingerprint& Add(double value);
  Fingerprint& Add(absl::string_view text);

  // 32 hexadecimal digits for the values added so far.
  std::string Hex() const;

 private:
  uint64_t first_ = 0x243f6a8885a308d3;  // digits of pi
  uint64_t second_ = 0x13198a2e03707344;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_FINGERPRINT_H_
