#include "rcnn/tools/detect_pipeline.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/detection/detector.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DetectPipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(::testing::TempDir(), "/detect_pipeline_test_", getpid());
    std::filesystem::create_directories(folder_);
    testing::WriteTinyDetector(folder_ + "/model");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ImageJob Put(const std::string& name, int64_t side) {
    const auto bytes = data::EncodePng(data::Image(side, side));
    EXPECT_THAT(bytes, IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/" + name, *bytes), IsOk());
    return {folder_ + "/" + name, name, 1, ""};
  }

  ImageJob PutNoise(const std::string& name, int64_t height, int64_t width) {
    data::Image image(height, width);
    uint32_t value = static_cast<uint32_t>(height + 7 * width) + static_cast<uint32_t>(name[0]);
    for (int64_t i = 0; i < height * width * data::Image::kChannels; ++i) {
      value = value * 1664525 + 1013904223;
      image.data()[i] = static_cast<uint8_t>(value >> 24);
    }
    const auto bytes = data::EncodePng(image);
    EXPECT_THAT(bytes, IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/" + name, *bytes), IsOk());
    return {folder_ + "/" + name, name, 1, ""};
  }

  // What is printed.
  std::string Detect(const std::vector<ImageJob>& jobs, const PipelineOptions& options) {
    const auto detector = detection::Detector::Load(folder_ + "/model");
    EXPECT_THAT(detector, IsOk());
    if (!detector.ok()) return "";
    ::testing::internal::CaptureStderr();
    const auto result = DetectAll(**detector, jobs, options);
    const std::string printed = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(result, IsOk());
    if (!result.ok()) return printed;
    EXPECT_THAT(result->images, SizeIs(jobs.size()));
    return printed;
  }

  std::string folder_;
};

// Batches of one, two and three of five images, of which one cannot be read.
TEST_F(DetectPipelineTest, ResultsDoNotDependOnTheBatch) {
  std::vector<ImageJob> jobs = {PutNoise("a.png", 90, 160), PutNoise("b.png", 160, 90),
                                PutNoise("c.png", 90, 160), PutNoise("d.png", 120, 120),
                                PutNoise("e.png", 200, 150)};
  std::filesystem::resize_file(jobs[1].path, 60);
  const auto detector = detection::Detector::Load(folder_ + "/model");
  ASSERT_THAT(detector, IsOk());
  PipelineOptions options;
  options.quiet = true;
  const auto alone = DetectAll(**detector, jobs, options);
  ASSERT_THAT(alone, IsOk());
  ASSERT_THAT(alone->images, SizeIs(4));
  size_t objects = 0;
  for (const int64_t batch : {2, 3, 8}) {
    options.batch = batch;
    const auto found = DetectAll(**detector, jobs, options);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->problems, alone->problems);
    ASSERT_THAT(found->images, SizeIs(4));
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(found->images[i].name, alone->images[i].name);
      const auto &a = found->images[i].objects, &b = alone->images[i].objects;
      ASSERT_EQ(a.size(), b.size());
      objects += a.size();
      for (size_t k = 0; k < a.size(); ++k) {
        EXPECT_EQ(a[k].label, b[k].label);
        EXPECT_NEAR(a[k].score, b[k].score, 1e-5);
        EXPECT_NEAR(a[k].x1, b[k].x1, 1e-3);
        EXPECT_NEAR(a[k].y2, b[k].y2, 1e-3);
      }
    }
  }
  EXPECT_GT(objects, 0u);
}

TEST_F(DetectPipelineTest, SaysTheMemoryOfAnImageThatIsLargerThanThoseBefore) {
  // 9 bytes for each pixel: 0.36, 1.44, 0.81 and 2.25 MB.
  const std::vector<ImageJob> jobs = {Put("a.png", 200), Put("b.png", 400), Put("c.png", 300),
                                      Put("d.png", 500)};
  PipelineOptions options;
  EXPECT_THAT(Detect(jobs, options), Not(HasSubstr("memory")));
  options.announced_bytes = 1'000'000;
  EXPECT_THAT(Detect(jobs, options),
              AllOf(HasSubstr("b.png: 400 x 400 pixels take about 1 MB of memory; "),
                    HasSubstr("d.png: 500 x 500 pixels take about 2 MB of memory; "),
                    HasSubstr(" are available"), Not(HasSubstr("a.png: 200")),
                    Not(HasSubstr("c.png: 300"))));
  options.quiet = true;
  EXPECT_THAT(Detect(jobs, options), IsEmpty());
}

// Lines of pixels that the network sees enlarged beyond any memory.
TEST_F(DetectPipelineTest, SaysOnceThatBatchesGoOneByOne) {
  const std::string config = folder_ + "/model/detector.textproto";
  const std::string enlarging =
      absl::StrReplaceAll(*ReadFile(config), {{"shortest_side_px: 96", "shortest_side_px: 1000000"},
                                              {"longest_side_px: 160", "longest_side_px: 0"}});
  ASSERT_THAT(enlarging, HasSubstr("1000000"));
  ASSERT_THAT(WriteFileAtomically(config, enlarging), IsOk());
  std::vector<ImageJob> jobs;
  for (const char* name : {"a.png", "b.png", "c.png", "d.png"}) {
    jobs.push_back(PutNoise(name, 1, 100'000));
  }
  const auto detector = detection::Detector::Load(folder_ + "/model");
  ASSERT_THAT(detector, IsOk());
  PipelineOptions options;
  options.batch = 2;
  ::testing::internal::CaptureStderr();
  const auto result = DetectAll(**detector, jobs, options);
  const std::string printed = ::testing::internal::GetCapturedStderr();
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->problems, SizeIs(4));
  const std::string notice = "2 images cannot go through the network together, and take longer";
  EXPECT_THAT(printed, HasSubstr(notice));
  EXPECT_EQ(printed.find(notice), printed.rfind(notice));
}

}  // namespace
}  // namespace rcnn::tools
