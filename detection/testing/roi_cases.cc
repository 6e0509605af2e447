#include "rcnn/detection/testing/roi_cases.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace rcnn::detection {

at::Tensor RoiMaps() {
  return at::randn({2, kRoiMapChannels, 8, 9}, at::detail::createCPUGenerator(7));
}

at::Tensor RoisOfMaps() {
  return at::tensor({0.f, 10.f,  14.f, 90.f,  110.f,  //
                     1.f, 50.f,  3.f,  140.f, 127.f,  //
                     1.f, 33.f,  33.f, 35.f,  36.f,   //
                     0.f, 100.f, 90.f, 170.f, 150.f,  //
                     0.f, 24.f,  40.f, 88.f,  72.f})
      .view({5, 5});
}

}  // namespace rcnn::detection
