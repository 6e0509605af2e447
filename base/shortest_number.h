// Numbers in text files that must read back as the same number.
//
// Example:
//   const std::string text = ShortestNumber(0.1);  // "0.1"

#ifndef RCNN_BASE_SHORTEST_NUMBER_H_
#define RCNN_BASE_SHORTEST_NUMBER_H_

#include <string>

namespace rcnn {

// Returns the fewest digits that read back as `value`, with an exponent where that is shorter.
std::string ShortestNumber(double value);

}  // namespace rcnn

#endif  // RCNN_BASE_SHORTEST_NUMBER_H_
