#include "rcnn/detection/weights/caffemodel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/caffe.pb.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Fill(int count, caffe::BlobProto* blob) {
  for (int i = 0; i < count; ++i) blob->add_data(0.5f * static_cast<float>(i) - 1.0f);
}

void SetShape(const std::vector<int64_t>& dims, caffe::BlobProto* blob) {
  for (const int64_t dim : dims) blob->mutable_shape()->add_dim(dim);
}

void SetLegacyShape(int n, int c, int h, int w, caffe::BlobProto* blob) {
  blob->set_num(n);
  blob->set_channels(c);
  blob->set_height(h);
  blob->set_width(w);
}

at::Tensor Values(at::IntArrayRef shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return (at::arange(count, at::kFloat) * 0.5 - 1.0).view(shape);
}

caffe::NetParameter V2Net() {
  caffe::NetParameter net;
  net.set_name("VGG");
  net.add_layer()->set_name("data");
  auto* conv = net.add_layer();
  conv->set_name("rpn_conv/3x3");
  conv->set_type("Convolution");
  SetShape({4, 2, 3, 3}, conv->add_blobs());
  Fill(72, conv->mutable_blobs(0));
  SetShape({4}, conv->add_blobs());
  Fill(4, conv->mutable_blobs(1));
  return net;
}

caffe::NetParameter V1Net() {
  caffe::NetParameter net;
  auto* conv = net.add_layers();
  conv->set_name("conv1_1");
  conv->set_type(4);
  SetLegacyShape(4, 2, 3, 3, conv->add_blobs());
  Fill(72, conv->mutable_blobs(0));
  SetLegacyShape(1, 1, 1, 4, conv->add_blobs());
  Fill(4, conv->mutable_blobs(1));
  auto* fc = net.add_layers();
  fc->set_name("fc6");
  fc->set_type(14);
  SetLegacyShape(1, 1, 5, 6, fc->add_blobs());
  Fill(30, fc->mutable_blobs(0));
  SetLegacyShape(1, 1, 1, 5, fc->add_blobs());
  Fill(5, fc->mutable_blobs(1));
  return net;
}

void ExpectTensor(const StateDict& state, const std::string& name, at::IntArrayRef shape) {
  const at::Tensor* const tensor = state.Find(name);
  ASSERT_NE(tensor, nullptr) << name;
  EXPECT_EQ(tensor->sizes(), shape) << name;
  EXPECT_TRUE(at::equal(*tensor, Values(shape))) << name;
}

void ExpectError(const caffe::NetParameter& net, absl::StatusCode code,
                 const std::string& message) {
  const auto state = ReadCaffeModel(net.SerializeAsString());
  EXPECT_THAT(state, StatusIs(code, HasSubstr(message)));
}

TEST(CaffeModelTest, ReadsV2Layers) {
  const std::string bytes = V2Net().SerializeAsString();
  EXPECT_TRUE(MayBeCaffeModel(bytes));
  const auto state = ReadCaffeModel(bytes);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->size(), 2u);
  ExpectTensor(*state, "rpn_conv/3x3.weight", {4, 2, 3, 3});
  ExpectTensor(*state, "rpn_conv/3x3.bias", {4});
}

TEST(CaffeModelTest, ReadsV1LayersAndGivesLegacyBlobsTheirShape) {
  const std::string bytes = V1Net().SerializeAsString();
  EXPECT_TRUE(MayBeCaffeModel(bytes));
  const auto state = ReadCaffeModel(bytes);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->size(), 4u);
  ExpectTensor(*state, "conv1_1.weight", {4, 2, 3, 3});
  ExpectTensor(*state, "conv1_1.bias", {4});
  ExpectTensor(*state, "fc6.weight", {5, 6});
  ExpectTensor(*state, "fc6.bias", {5});
}

TEST(CaffeModelTest, OneByOneLegacyConvolutionKeepsFourDimensions) {
  caffe::NetParameter net;
  auto* conv = net.add_layers();
  conv->set_name("conv");
  conv->set_type(4);
  SetLegacyShape(1, 1, 3, 3, conv->add_blobs());
  Fill(9, conv->mutable_blobs(0));
  const auto state = ReadCaffeModel(net.SerializeAsString());
  ASSERT_THAT(state, IsOk());
  ExpectTensor(*state, "conv.weight", {1, 1, 3, 3});
}

TEST(CaffeModelTest, ReadsDoublesAndFurtherBlobs) {
  caffe::NetParameter net;
  auto* layer = net.add_layer();
  layer->set_name("bn");
  for (int i = 0; i < 3; ++i) {
    SetShape({1}, layer->add_blobs());
    layer->mutable_blobs(i)->add_double_data(0.1 * i);
  }
  const auto state = ReadCaffeModel(net.SerializeAsString());
  ASSERT_THAT(state, IsOk());
  ASSERT_NE(state->Find("bn.blob2"), nullptr);
  EXPECT_EQ(state->Find("bn.blob2")->scalar_type(), at::kDouble);
  EXPECT_EQ(state->Find("bn.blob2")->item<double>(), 0.2);
}

// Wire format by hand: tag = field << 3 | type. Fields that the schema here does
// not name (bottom, top, a parameter message, diff), and unpacked floats.
TEST(CaffeModelTest, SkipsEverythingExceptWeights) {
  const std::string blob(
      "\x3a\x03\x0a\x01\x02"  // shape { dim: 2 }, packed
      "\x2d\x00\x00\x80\x3f"  // data: 1.0, unpacked
      "\x2d\x00\x00\x00\x40"  // data: 2.0
      "\x32\x04\x00\x00\x00\x00",
      21);  // diff: [0.0]
  const std::string layer = std::string("\x0a\x02ip\x12\x0cInnerProduct\x1a\x01x\x22\x01y", 24) +
                            std::string("\xaa\x07\x02\x08\x02", 5) + "\x3a\x15" + blob;
  std::string net = "\x0a\x03net\x1a\x04";
  net += "data\xa2\x06";
  net += static_cast<char>(layer.size());
  net += layer;
  const auto state = ReadCaffeModel(net);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->size(), 1u);
  ASSERT_NE(state->Find("ip.weight"), nullptr);
  EXPECT_TRUE(at::equal(*state->Find("ip.weight"), at::arange(1, 3, at::kFloat)));
}

TEST(CaffeModelTest, ElementsMustMatchTheShape) {
  const std::vector<int64_t> shapes[] = {
      {4, 2, 3, 4},          {4, 2, 3}, {-4, 2, 3, 3},
      {int64_t{1} << 62, 4}, {},        std::vector<int64_t>(40, 1)};
  for (const auto& shape : shapes) {
    caffe::NetParameter net = V2Net();
    auto* blob = net.mutable_layer(1)->mutable_blobs(0);
    blob->clear_shape();
    blob->mutable_shape();
    SetShape(shape, blob);
    ExpectError(net, absl::StatusCode::kInvalidArgument, "'rpn_conv/3x3', blob 0");
  }
}

TEST(CaffeModelTest, OtherDefectsNameTheLayer) {
  caffe::NetParameter both = V2Net();
  both.mutable_layer(1)->mutable_blobs(1)->add_double_data(1.0);
  ExpectError(both, absl::StatusCode::kInvalidArgument, "'rpn_conv/3x3', blob 1");
  caffe::NetParameter twice = V2Net();
  *twice.add_layer() = twice.layer(1);
  ExpectError(twice, absl::StatusCode::kInvalidArgument, "duplicate layer name");
  caffe::NetParameter none = V2Net();
  none.mutable_layer(1)->clear_blobs();
  ExpectError(none, absl::StatusCode::kInvalidArgument, "no layer with weights");
  caffe::NetParameter v0;
  v0.add_layers()->set_layer("x");
  ExpectError(v0, absl::StatusCode::kUnimplemented, "V0");
}

TEST(CaffeModelTest, RejectsManyEmptyLayersAndBlobs) {
  std::string layers;
  for (int i = 0; i < 100'001; ++i) layers.append("\x12\x00", 2);
  EXPECT_THAT(ReadCaffeModel(layers), StatusIs(absl::StatusCode::kResourceExhausted));
  caffe::NetParameter net;
  for (int i = 0; i < 100; ++i) net.add_layer()->set_name("x");
  auto* layer = net.mutable_layer(0);
  for (int i = 0; i < 65; ++i) layer->add_blobs();
  ExpectError(net, absl::StatusCode::kResourceExhausted, "more blobs than any layer");
}

// Blobs without elements take seven bytes of the file and most of a kilobyte of memory, which
// the size of the file bounds.
TEST(CaffeModelTest, ManyEmptyBlobsInManyLayersAreRefused) {
  caffe::NetParameter net;
  for (int i = 0; i < 800; ++i) {
    auto* layer = net.add_layer();
    layer->set_name(absl::StrCat(i));
    for (int j = 0; j < 64; ++j) layer->add_blobs()->mutable_shape()->add_dim(0);
  }
  ExpectError(net, absl::StatusCode::kResourceExhausted, "more blobs than any network");
  net.mutable_layer()->DeleteSubrange(3, 797);
  EXPECT_THAT(ReadCaffeModel(net.SerializeAsString()), IsOk());
}

TEST(CaffeModelTest, ALongNameIsNotCopiedToEveryBlob) {
  caffe::NetParameter net = V2Net();
  net.mutable_layer(1)->set_name(std::string(5000, 'x'));
  ExpectError(net, absl::StatusCode::kInvalidArgument, "a name of 5000 bytes");
}

// A name of 4,000 bytes would take 256,000 in the 64 blobs of its layer, which need 448 of the
// file.
TEST(CaffeModelTest, LongNamesOfManyBlobsAreBoundedByTheSizeOfTheFile) {
  const auto net = [](int layers) {
    caffe::NetParameter made;
    for (int i = 0; i < layers; ++i) {
      auto* layer = made.add_layer();
      layer->set_name(absl::StrCat(i, std::string(4000, 'x')));
      for (int j = 0; j < 64; ++j) layer->add_blobs()->mutable_shape()->add_dim(0);
    }
    return made;
  };
  EXPECT_THAT(ReadCaffeModel(net(3).SerializeAsString()), IsOk());
  ExpectError(net(20), absl::StatusCode::kResourceExhausted, "the names of the blobs have more");
}

TEST(CaffeModelTest, EveryPrefixIsAnError) {
  for (const std::string& bytes : {V1Net().SerializeAsString(), V2Net().SerializeAsString()}) {
    const auto whole = ReadCaffeModel(bytes);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto part = ReadCaffeModel(absl::string_view(bytes).substr(0, size));
      // A cut between two layers gives a shorter net; any other cut is an error.
      if (part.ok()) {
        EXPECT_LT(part->size(), whole->size()) << size;
      }
    }
  }
}

TEST(CaffeModelTest, LengthsBeyondTheFileAllocateNothing) {
  // layer { blobs { data: 2^31 - 16 bytes, all of them missing } }
  const std::string bomb("\xa2\x06\x0f\x3a\x0d\x2a\xf0\xff\xff\xff\x07\0\0\0\0\0\0\0", 18);
  EXPECT_THAT(ReadCaffeModel(bomb), StatusIs(absl::StatusCode::kDataLoss));
  const std::string negative("\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
  EXPECT_THAT(ReadCaffeModel(negative), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(CaffeModelTest, RejectsDeepGroups) {
  const std::string groups(100'000, '\x5b');  // field 11, start of a group
  EXPECT_THAT(ReadCaffeModel(groups), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace rcnn::detection::weights
