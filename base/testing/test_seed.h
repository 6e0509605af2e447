// The seed of random tests.

#ifndef RCNN_BASE_TESTING_TEST_SEED_H_
#define RCNN_BASE_TESTING_TEST_SEED_H_

#include <cstdint>

namespace rcnn {

// $RCNN_TEST_SEED, or 1. Printed once per process, so that a failure can be reproduced.
uint64_t TestSeed();

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_TEST_SEED_H_
