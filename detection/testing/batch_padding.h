// Tests that an image's features, proposals, losses, gradients and detections in a batch are those
// that it has alone, whatever the sizes of its neighbours: of any network, on any device.
//
// A test program instantiates BatchPaddingTest for its networks, as batch_padding_test.cc does.

#ifndef RCNN_DETECTION_TESTING_BATCH_PADDING_H_
#define RCNN_DETECTION_TESTING_BATCH_PADDING_H_

#include <c10/core/Device.h>

#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/cuda_float32_scope.h"
#include "rcnn/base/determinism_scope.h"

namespace rcnn::detection {

// A network (test_networks.h), and where it runs.
struct NetworkOnDevice {
  std::string network;
  c10::Device device = c10::Device(c10::DeviceType::CPU);
};

void PrintTo(const NetworkOnDevice& setting, std::ostream* stream);

std::vector<NetworkOnDevice> OnDevice(const std::vector<std::string>& networks,
                                      const c10::Device& device);

class BatchPaddingTest : public ::testing::TestWithParam<NetworkOnDevice> {
 protected:
  // Fails where the device is a GPU that cannot be used.
  void SetUp() override;

  static const NetworkOnDevice& setting() { return GetParam(); }
  static const c10::Device& device() { return setting().device; }
  static bool is_cuda() { return device().is_cuda(); }
  // cuDNN may choose another algorithm for the same product.
  static double tolerance() { return is_cuda() ? 1e-4 : 1e-5; }

 private:
  const CudaFloat32Scope float32_{/*allow_tf32=*/false};
  const DeterminismScope deterministic_{is_cuda() ? c10::DeviceType::CUDA : c10::DeviceType::CPU,
                                        /*deterministic=*/true};
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_BATCH_PADDING_H_
