// The Caffe fixtures as OpenCV's reader, which has its own copy of the schema,
// understands them.

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <opencv2/dnn.hpp>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kNet[] = R"(
  name: "two layers"
  input: "data"
  input_dim: 1 input_dim: 3 input_dim: 3 input_dim: 2
  layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1"
          convolution_param { num_output: 2 kernel_size: 2 } }
  layer { name: "fc6" type: "InnerProduct" bottom: "conv1_1" top: "fc6"
          inner_product_param { num_output: 3 } })";

TEST(CaffeModelOpenCvTest, GivesTheSameBlobs) {
  for (const char* const name : {"layers_v1.caffemodel", "layers_v2.caffemodel"}) {
    const std::string path = std::string("detection/weights/testdata/") + name;
    std::vector<uchar> prototxt(kNet, kNet + std::strlen(kNet));
    const auto state = LoadStateDict(path);
    ASSERT_THAT(state, IsOk());
    std::vector<uchar> model;
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    ASSERT_NE(file, nullptr);
    for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file)) {
      model.push_back(static_cast<uchar>(byte));
    }
    std::fclose(file);
    const cv::dnn::Net net = cv::dnn::readNetFromCaffe(prototxt, model);
    for (const char* const layer : {"conv1_1", "fc6"}) {
      for (const int blob : {0, 1}) {
        const cv::Mat theirs = net.getParam(net.getLayerId(layer), blob);
        const at::Tensor* const ours =
            state->Find(std::string(layer) + (blob == 0 ? ".weight" : ".bias"));
        ASSERT_NE(ours, nullptr);
        ASSERT_EQ(static_cast<int64_t>(theirs.total()), ours->numel()) << name << " " << layer;
        EXPECT_EQ(std::memcmp(theirs.ptr<float>(), ours->data_ptr(), ours->nbytes()), 0)
            << name << " " << layer << " " << blob;
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection::weights
