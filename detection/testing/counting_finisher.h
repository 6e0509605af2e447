// What finishes maps on the CPU during its lifetime, for tests: nothing does otherwise
// (ops/finish_map.h).

#ifndef RCNN_DETECTION_TESTING_COUNTING_FINISHER_H_
#define RCNN_DETECTION_TESTING_COUNTING_FINISHER_H_

#include <cstdint>

namespace rcnn::detection {

// One at a time.
class CountingFinisher {
 public:
  CountingFinisher();
  ~CountingFinisher();
  CountingFinisher(const CountingFinisher&) = delete;
  CountingFinisher& operator=(const CountingFinisher&) = delete;

  // Maps since then.
  int64_t count() const;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_COUNTING_FINISHER_H_
