// What batch_padding_test.cc tests, on a fake device. Apart from it, because that program runs on a
// GPU, and a fake device needs a LibTorch without CUDA (ops/testing/queue_device.h).

#include "gtest/gtest.h"
#include "rcnn/detection/testing/batch_padding.h"
#include "rcnn/detection/testing/test_networks.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

INSTANTIATE_TEST_SUITE_P(FakeDevice, BatchPaddingTest,
                         ::testing::ValuesIn(OnDevice({TestNetworks().front()},
                                                      ops::testing::QueueDevice())));

}  // namespace
}  // namespace rcnn::detection
