#include "rcnn/detection/borrowed_weights.h"

#include <ATen/ATen.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/same_detections.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection {
namespace {

const char kConfig[] = R"(
  backbone { tiny {} }
  rpn { anchors { size_px: [16, 32] } channels: 32 test_proposals { after_nms: 50 } }
  head { fc { fc_channels: [200, 32] } detections { min_score: 0.05 max_per_image: 12 } }
)";

std::shared_ptr<FasterRcnn> Model(uint64_t seed) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(kConfig);
  const auto model = FasterRcnn::Create(config, 3).value();
  ResetParameters(*model, at::detail::createCPUGenerator(seed));
  model->eval();
  return model;
}

// The names of the weights that can be borrowed.
std::set<std::string> LayerWeights(const FasterRcnn& model) {
  std::set<std::string> names;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    const bool is_layer = dynamic_cast<const PreparedLayer*>(item.value().get()) != nullptr;
    if (is_layer) names.insert(absl::StrCat(item.key(), ".weight"));
  }
  return names;
}

// Of a model with the weights of `file`, prepared without BorrowWeights.
Detections DetectWithCopy(const weights::StateDict& file, Precision precision) {
  const auto model = Model(3);
  EXPECT_THAT(weights::ImportStateDict(file, **weights::FindNameMap("rcnn"), {},
                                       weights::ModuleState(*model)),
              IsOk());
  PrepareForInference(*model, {precision, /*drop_weights=*/true});
  const Detections found = DetectInNoise(*model);
  EXPECT_GT(found.boxes.size(0), 0);
  return found;
}

// Released memory, by its beginning.
class Released {
 public:
  ReleaseMemory Add() {
    return [this](const void* data, size_t bytes) {
      const std::lock_guard<std::mutex> lock(mutex_);
      EXPECT_TRUE(parts_.emplace(static_cast<const char*>(data), bytes).second) << "released twice";
    };
  }

  // The bytes of `tensor` that have been released. Fails if parts of it overlap or extend beyond
  // it.
  size_t TakeBytes(const at::Tensor& tensor) {
    const char* const begin = static_cast<const char*>(tensor.data_ptr());
    const char* end = begin;
    size_t bytes = 0;
    for (auto part = parts_.lower_bound(begin);
         part != parts_.end() && part->first < begin + tensor.nbytes();) {
      EXPECT_TRUE(part->first >= end);
      bytes += part->second;
      end = part->first + part->second;
      part = parts_.erase(part);
    }
    EXPECT_TRUE(end <= begin + tensor.nbytes());
    return bytes;
  }

  bool empty() const { return parts_.empty(); }

 private:
  std::mutex mutex_;
  std::map<const char*, size_t> parts_;
};

class BorrowedWeightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(weights::SaveStateDict(weights::ModuleState(*Model(1)), Path()), IsOk());
  }

  std::string Path() const { return directory_.path() + "/model.safetensors"; }

  // A model that borrows the weights of `file`, not prepared yet.
  std::shared_ptr<FasterRcnn> Borrowing(const weights::StateDict& file, ReleaseMemory release) {
    auto model = Model(2);
    weights::ImportOptions options;
    options.exact = true;
    options.borrow = BorrowWeights(*model, std::move(release));
    EXPECT_THAT(weights::ImportStateDict(file, **weights::FindNameMap("rcnn"), options,
                                         weights::ModuleState(*model)),
                IsOk());
    return model;
  }

  const TemporaryDirectory directory_{"rcnn_borrowed_weights"};
};

TEST_F(BorrowedWeightsTest, TheModelIsThatOfACopyAndKeepsNothingOfTheFile) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    SCOPED_TRACE(PrecisionName(precision));
    const weights::StateDict file = weights::LoadStateDict(Path()).value();
    Released released;
    const auto model = Borrowing(file, released.Add());
    const std::set<std::string> layer_weights = LayerWeights(*model);
    EXPECT_GT(layer_weights.size(), 5u);
    for (const auto& [name, tensor] : weights::ModuleState(*model)) {
      EXPECT_EQ(tensor.is_alias_of(*file.Find(name)), layer_weights.count(name) > 0) << name;
    }
    PrepareForInference(*model, {precision, /*drop_weights=*/true});
    for (const auto& [name, tensor] : weights::ModuleState(*model)) {
      const at::Tensor& in_file = *file.Find(name);
      EXPECT_FALSE(tensor.is_alias_of(in_file)) << name;
      EXPECT_EQ(in_file.storage().use_count(), 1u) << name;
      EXPECT_EQ(released.TakeBytes(in_file), layer_weights.count(name) * in_file.nbytes()) << name;
    }
    EXPECT_TRUE(released.empty());
    ExpectSameBits(DetectInNoise(*model), DetectWithCopy(file, precision));
  }
}

TEST_F(BorrowedWeightsTest, NothingNeedsTheFileOrItsStateAfterwards) {
  const Detections expected =
      DetectWithCopy(weights::LoadStateDict(Path()).value(), Precision::kBfloat16);
  std::shared_ptr<FasterRcnn> model;
  {
    const weights::StateDict file = weights::LoadStateDict(Path()).value();
    model = Borrowing(file, file.PageReleaser());
  }
  PrepareForInference(*model, {Precision::kBfloat16, /*drop_weights=*/true});
  ExpectSameBits(DetectInNoise(*model), expected);
}

// More spaces after the header of the file move its numbers: by 1 and 2 bytes to where no float
// can be read, so that the reader copies them, by 4 to where no vector of floats is aligned.
TEST_F(BorrowedWeightsTest, NumbersMayBeginAtAnyByteOfTheFile) {
  const std::string bytes = ReadFile(Path()).value();
  for (const size_t spaces : {1, 2, 4, 60}) {
    SCOPED_TRACE(spaces);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof(header));
    std::string moved = bytes;
    moved.insert(sizeof(header) + header, spaces, ' ');
    header += spaces;
    std::memcpy(&moved[0], &header, sizeof(header));
    ASSERT_THAT(WriteFileAtomically(Path(), moved), IsOk());
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const weights::StateDict file = weights::LoadStateDict(Path()).value();
      const auto model = Borrowing(file, file.PageReleaser());
      PrepareForInference(*model, {precision, /*drop_weights=*/true});
      ExpectSameBits(DetectInNoise(*model), DetectWithCopy(file, precision));
    }
  }
}

TEST_F(BorrowedWeightsTest, TensorsOfAnotherTypeAreCopied) {
  weights::StateDict halves;
  for (const auto& [name, tensor] : weights::ModuleState(*Model(1))) {
    halves.Add(name, tensor.to(at::kHalf));
  }
  const auto model = Borrowing(halves, nullptr);
  for (const auto& [name, tensor] : weights::ModuleState(*model)) {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(tensor.equal(halves.Find(name)->to(at::kFloat))) << name;
  }
  PrepareForInference(*model, {Precision::kFloat32, /*drop_weights=*/true});
  ExpectSameBits(DetectInNoise(*model), DetectWithCopy(halves, Precision::kFloat32));
}

}  // namespace
}  // namespace rcnn::detection
