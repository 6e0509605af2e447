#include "rcnn/tools/detect_model.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DetectModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(::testing::TempDir(), "/detect_model_test_", getpid());
    testing::WriteTinyDetector(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string directory_;
};

at::Tensor Noise() {
  return at::randint(0, 256, {90, 120, 3}, at::detail::createCPUGenerator(3),
                     at::TensorOptions(at::kByte));
}

detection::Detections Detected(const std::string& path, const DetectorLimits& limits = {}) {
  const auto detector = LoadDetector(path, limits);
  EXPECT_THAT(detector, IsOk());
  return (*detector)->Detect(Noise()).value();
}

TEST_F(DetectModelTest, TakesFolderOrWeightsFile) {
  const detection::Detections expected = Detected(directory_);
  EXPECT_GT(expected.scores.size(0), 3);
  for (const char* end : {"/", "/model.safetensors"}) {
    EXPECT_TRUE(Detected(directory_ + end).boxes.equal(expected.boxes)) << end;
  }
}

// The best of the model's detections.
TEST_F(DetectModelTest, LimitsReplaceTheModels) {
  const at::Tensor scores = Detected(directory_).scores;
  const double middle = scores[2].item<double>();
  EXPECT_TRUE(Detected(directory_, {.min_score = middle}).scores.equal(scores.slice(0, 0, 2)));
  EXPECT_TRUE(Detected(directory_, {.max_per_image = 3}).scores.equal(scores.slice(0, 0, 3)));
  EXPECT_GT(Detected(directory_, {.min_score = 0, .max_per_image = 100}).scores.size(0),
            scores.size(0));
}

TEST_F(DetectModelTest, ErrorsSayWhatIsExpected) {
  EXPECT_THAT(
      LoadDetector("runs/absent"),
      StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("--model=runs/absent: no such"),
                                                  HasSubstr("//training:stage_scheduler"))));
  // No file system can have it, as a name and as a path.
  for (const size_t size : {300, 5000}) {
    EXPECT_THAT(LoadDetector(std::string(size, 'x')),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("--model=xxx"), HasSubstr("x... ("),
                               HasSubstr(absl::StrCat("(", size, " bytes): no file can have")),
                               HasSubstr("//training:stage_scheduler"),
                               Not(HasSubstr(std::string(100, 'x'))))));
  }
  const std::string link = directory_ + "/link";
  fs::create_symlink("nowhere", link);
  EXPECT_THAT(LoadDetector(link), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such")));
  fs::remove(link);
  const std::string other = directory_ + "/other";
  fs::create_directories(other + "/stages");
  EXPECT_THAT(LoadDetector(other), StatusIs(absl::StatusCode::kFailedPrecondition,
                                            HasSubstr("a run without a detector")));
  fs::remove(other + "/stages");
  EXPECT_THAT(LoadDetector(other),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no detector.textproto")));
  std::ofstream(other + "/weights.pth") << "x";
  EXPECT_THAT(
      LoadDetector(other + "/weights.pth"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not named model.safetensors")));
  fs::resize_file(directory_ + "/model.safetensors", 1000);
  EXPECT_THAT(LoadDetector(directory_),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("--model: "), HasSubstr("model.safetensors"))));
  fs::remove(directory_ + "/model.safetensors");
  EXPECT_THAT(LoadDetector(directory_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no model.safetensors")));
}

// Makes the directory that of a run whose evaluation has published its model.
void MakeRun(const std::string& directory) {
  const std::string stage = directory + "/stages/1_final";
  ASSERT_THAT(CreateDirectories(stage), IsOk());
  StageRecord record;
  record.key = std::string(32, '0');
  record.files["detections.json"] = Digest("[]");
  for (const char* file : {"model.safetensors", "detector.textproto"}) {
    fs::copy_file(directory + "/" + file, stage + "/" + file);
    record.files[file] = Digest(ReadFile(stage + "/" + file).value());
  }
  ASSERT_THAT(WriteFileAtomically(stage + "/DONE", StageRecordText(record)), IsOk());
}

// In the last value of the weights, which stay a model.
void FlipABit(const std::string& path) {
  std::string bytes = ReadFile(path).value();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
}

TEST_F(DetectModelTest, DamagedFilesOfARunAreNotUsed) {
  MakeRun(directory_);
  const std::string elsewhere = directory_ + "/elsewhere";
  fs::create_directory(elsewhere);
  for (const std::string& model : {directory_, directory_ + "/stages/1_final"}) {
    EXPECT_THAT(LoadDetector(model), IsOk());
    const std::string weights = model + "/model.safetensors";
    const std::string whole = ReadFile(weights).value();
    FlipABit(weights);
    for (const std::string& path : {model, model + "/", weights}) {
      EXPECT_THAT(LoadDetector(path),
                  StatusIs(absl::StatusCode::kDataLoss,
                           AllOf(StartsWith("--model: " + weights + " is damaged or was edited"),
                                 HasSubstr("restores it when it is run again"))))
          << path;
    }
    // An edited model, outside the run.
    for (const char* file : {"/model.safetensors", "/detector.textproto"}) {
      fs::copy_file(model + file, elsewhere + file, fs::copy_options::overwrite_existing);
    }
    EXPECT_THAT(LoadDetector(elsewhere), IsOk());
    ASSERT_THAT(WriteFileAtomically(weights, whole), IsOk());
    EXPECT_THAT(LoadDetector(model), IsOk());
    const std::string config = model + "/detector.textproto";
    ASSERT_THAT(WriteFileAtomically(config, ReadFile(config).value() + "\n"), IsOk());
    EXPECT_THAT(LoadDetector(model),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(config + " is damaged")));
  }
}

TEST_F(DetectModelTest, DamageIsNoticedWhereTheModelIsInTheCache) {
  MakeRun(directory_);
  detection::DetectorOptions options;
  options.cache.folder = directory_ + "/cache";
  options.cache.min_age_ns = 0;
  for (int start = 0; start < 2; ++start) {
    EXPECT_THAT(LoadDetector(directory_, {}, options), IsOk()) << start;
  }
  FlipABit(directory_ + "/model.safetensors");
  for (int start = 0; start < 2; ++start) {
    EXPECT_THAT(LoadDetector(directory_, {}, options), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(DetectModelTest, Bfloat16DetectsNearlyTheSame) {
  const auto detect = [&](detection::Precision precision) {
    const auto detector = LoadDetector(directory_, {.min_score = 0}, {precision});
    EXPECT_THAT(detector, IsOk());
    return (*detector)->Detect(Noise()).value().scores;
  };
  const at::Tensor plain = detect(detection::Precision::kFloat32);
  const at::Tensor rounded = detect(detection::Precision::kBfloat16);
  ASSERT_GT(plain.numel(), 0);
  EXPECT_NEAR(rounded[0].item<float>(), plain[0].item<float>(), 0.05);
  if (PrecisionNotice(detection::Precision::kBfloat16).empty()) return;
  EXPECT_TRUE(rounded.equal(plain));
}

TEST(FindDeviceTest, NamesTheFlag) {
  EXPECT_THAT(FindDevice("cpu"), IsOkAndHolds(c10::Device(c10::DeviceType::CPU)));
  EXPECT_THAT(FindDevice("gpu"), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("--device: \"gpu\" is not a device")));
  if (ProbeDevices().libtorch_has_cuda) GTEST_SKIP() << "this LibTorch has CUDA";
  EXPECT_THAT(FindDevice("cuda:1"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                             HasSubstr("--device: cuda:1: this program was")));
}

TEST(PrecisionTest, RejectsUnknownNames) {
  EXPECT_THAT(ReadPrecision("float32"), IsOkAndHolds(detection::Precision::kFloat32));
  EXPECT_THAT(ReadPrecision("bfloat16"), IsOkAndHolds(detection::Precision::kBfloat16));
  for (const char* other : {"float16", "int8", "FLOAT32", ""}) {
    EXPECT_THAT(ReadPrecision(other),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("--precision: '", other, "' is not float32"))));
  }
}

TEST(PrecisionTest, ANoticeSaysWhatTheProcessorLacks) {
  if (HasBfloat16Products(SupportedInstructionLevel())) GTEST_SKIP() << "it lacks nothing";
  EXPECT_EQ(PrecisionNotice(detection::Precision::kFloat32), "");
  EXPECT_EQ(PrecisionNotice(detection::Precision::kBfloat16),
            "--precision=bfloat16: this processor has no instructions for it (AVX-512 BF16), so "
            "detecting in float32");
}

TEST(PrecisionTest, ANoticeNamesTheLevelThatTheUserHasLowered) {
  RCNN_SKIP_WITHOUT(InstructionLevel::kAvx512Bf16);
  for (const InstructionLevel lower :
       {InstructionLevel::kPortable, InstructionLevel::kAvx2, InstructionLevel::kAvx512}) {
    const ScopedInstructionLevel level(lower);
    EXPECT_EQ(PrecisionNotice(detection::Precision::kFloat32), "");
    EXPECT_EQ(PrecisionNotice(detection::Precision::kBfloat16),
              absl::StrCat("--precision=bfloat16: the level of instructions is lowered to ",
                           InstructionLevelName(lower),
                           ", which has no instructions for it (AVX-512 BF16), so detecting in "
                           "float32"));
  }
  const ScopedInstructionLevel level(InstructionLevel::kAvx512Bf16);
  EXPECT_EQ(PrecisionNotice(detection::Precision::kBfloat16), "");
}

}  // namespace
}  // namespace rcnn::tools
