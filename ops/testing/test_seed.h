// The seed of random tests.

#ifndef RCNN_OPS_TESTING_TEST_SEED_H_
#define RCNN_OPS_TESTING_TEST_SEED_H_

#include <cstdint>

namespace rcnn::ops::testing {

// $RCNN_TEST_SEED, or 1. Printed once per process, so that a failure can be reproduced.
uint64_t TestSeed();

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_TEST_SEED_H_
