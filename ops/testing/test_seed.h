// The seed of random tests, under the name that tests of operators use.

#ifndef RCNN_OPS_TESTING_TEST_SEED_H_
#define RCNN_OPS_TESTING_TEST_SEED_H_

#include "rcnn/base/testing/test_seed.h"

namespace rcnn::ops::testing {

using ::rcnn::TestSeed;

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_TEST_SEED_H_
