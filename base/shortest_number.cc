#include "rcnn/base/shortest_number.h"

#include <charconv>

namespace rcnn {

std::string ShortestNumber(double value) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

}  // namespace rcnn
