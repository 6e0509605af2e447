#include "rcnn/detection/packed_cache.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/detector.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/packed_cache_index.h"
#include "rcnn/detection/testing/same_detections.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const char kConfig[] = R"(
  model {
    backbone { tiny {} }
    rpn { anchors { size_px: [16, 32] } channels: 32 test_proposals { after_nms: 50 } }
    head { fc { fc_channels: [32, 32] } detections { min_score: 0.2 max_per_image: 12 } }
    normalization { scale: 0.00392156862745098 mean: [0.5, 0.4, 0.3] std: [0.2, 0.3, 0.25] }
  }
  class_name: ["red", "white", "platelet"]
  input { shortest_side_px: 96 longest_side_px: 160 }
)";

// The digest of no weights here.
const char kOther[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

// Changes the lowest bits of 64 floats from byte `at` on so that the bytes get this CRC-32C, which
// is linear: by Gaussian elimination over the effects of the bits.
std::string WithCrc32c(std::string bytes, size_t at, uint32_t wanted) {
  struct Row {
    uint32_t effect = 0;
    uint64_t bits = 0;
  };
  const uint32_t before = Crc32c(bytes);
  Row rows[32];  // by their highest bit
  for (size_t i = 0; i < 64; ++i) {
    bytes[at + 4 * i] ^= 1;
    Row row = {Crc32c(bytes) ^ before, uint64_t{1} << i};
    bytes[at + 4 * i] ^= 1;
    for (int b = 31; b >= 0; --b) {
      if ((row.effect >> b & 1) == 0) continue;
      if (rows[b].effect == 0) {
        rows[b] = row;
        break;
      }
      row.effect ^= rows[b].effect;
      row.bits ^= rows[b].bits;
    }
  }
  Row sum = {before ^ wanted, 0};
  for (int b = 31; b >= 0; --b) {
    if ((sum.effect >> b & 1) == 0) continue;
    sum.effect ^= rows[b].effect;
    sum.bits ^= rows[b].bits;
  }
  for (size_t i = 0; i < 64; ++i) bytes[at + 4 * i] ^= static_cast<char>(sum.bits >> i & 1);
  return bytes;
}

configs::DetectorConfig Config() {
  return configs::ParseTextOrDie<configs::DetectorConfig>(kConfig);
}

class PackedCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteModel(5);
    options_.folder = root_ + "/cache";
    options_.min_age_ns = 0;
  }

  std::string Directory() const { return root_ + "/model"; }
  std::string Weights() const { return absl::StrCat(Directory(), "/", kModelWeightsFile); }

  void WriteModel(uint64_t seed) const {
    const auto model = FasterRcnn::Create(Config().model(), Config().class_name_size()).value();
    ResetParameters(*model, at::detail::createCPUGenerator(seed));
    const at::NoGradGuard no_grad;
    // Makes scores differ enough for some to pass the threshold.
    at::Tensor(model->named_parameters()["head.cls_score.weight"]).mul_(100);
    ASSERT_THAT(WriteModelDirectory(Directory(), Config(), SavedState(*model)), IsOk());
  }

  absl::StatusOr<Detections> Detect() const {
    const auto detector = Detector::Load(Directory(), {Precision::kFloat32, options_});
    if (!detector.ok()) return detector.status();
    const at::Tensor image =
        at::randint(256, {90, 120, 3}, at::detail::createCPUGenerator(1)).to(at::kByte);
    return (*detector)->Detect(image);
  }

  Detections Uncached() const {
    const auto detector = Detector::Load(Directory()).value();
    const at::Tensor image =
        at::randint(256, {90, 120, 3}, at::detail::createCPUGenerator(1)).to(at::kByte);
    return detector->Detect(image).value();
  }

  void ExpectRightDetections() const {
    const absl::StatusOr<Detections> found = Detect();
    ASSERT_THAT(found, IsOk());
    const Detections expected = Uncached();
    EXPECT_GT(expected.boxes.size(0), 0);
    ExpectSameBits(*found, expected);
  }

  PackedCache Cache(const configs::DetectorConfig& config = Config(),
                    Precision precision = Precision::kFloat32) const {
    return PackedCache(options_, {Weights(), ReadFileState(Weights()).value()}, config, precision);
  }

  // Without the index.
  std::vector<std::string> Files() const {
    std::vector<std::string> names = ListNames(options_.folder).value();
    names.erase(std::remove(names.begin(), names.end(), PackedCache::kIndexFile), names.end());
    return names;
  }
  std::string Index() const { return absl::StrCat(options_.folder, "/", PackedCache::kIndexFile); }

  // The cache for a file of weights at another place.
  PackedCache CacheFor(const std::string& weights) const {
    return PackedCache(options_, {weights, ReadFileState(weights).value()}, Config(),
                       Precision::kFloat32);
  }

  const std::string root_ = FreshDirectory();
  PackedCacheOptions options_;
};

TEST_F(PackedCacheTest, TheSecondLoadFindsWhatTheFirstKept) {
  EXPECT_EQ(Cache().Find(), nullptr);
  ExpectRightDetections();
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_NE(Cache().Find(), nullptr);
  const FileState kept = ReadFileState(Cache().path()).value();
  ExpectRightDetections();
  EXPECT_EQ(ReadFileState(Cache().path()).value().inode, kept.inode) << "not written again";
}

TEST_F(PackedCacheTest, DamagedCutOffAndForeignFilesAreReplaced) {
  ExpectRightDetections();
  const std::string path = Cache().path(), whole = ReadFile(path).value();
  std::string flipped = whole;
  flipped[whole.size() - 100] ^= 1;
  for (const std::string& bytes :
       {std::string(), std::string("text"), flipped, whole.substr(0, whole.size() / 2)}) {
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    EXPECT_EQ(Cache().Find(), nullptr);
    ExpectRightDetections();
    EXPECT_EQ(ReadFile(path).value(), whole);
  }
}

TEST_F(PackedCacheTest, NewWeightsOfTheSamePathReplaceTheOldOnes) {
  ExpectRightDetections();
  const Detections before = Uncached();
  WriteModel(6);
  EXPECT_EQ(Cache().Find(), nullptr);
  ExpectRightDetections();
  EXPECT_FALSE(Uncached().scores.equal(before.scores));
  EXPECT_NE(Cache().Find(), nullptr);
  EXPECT_THAT(Files(), SizeIs(1));
}

TEST_F(PackedCacheTest, SameWeightsWithAnotherTimeAreFound) {
  ExpectRightDetections();
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Weights().c_str(), times, 0), 0);
  EXPECT_NE(Cache().Find(), nullptr);
  ExpectRightDetections();
  EXPECT_THAT(Files(), SizeIs(1));
}

TEST_F(PackedCacheTest, EqualWeightsElsewhereShareTheFile) {
  ExpectRightDetections();
  const FileState kept = ReadFileState(Cache().path()).value();
  const std::string copy = root_ + "/copy\tof\nthe model.safetensors";
  ASSERT_THAT(WriteFileAtomically(copy, ReadFile(Weights()).value()), IsOk());
  const PackedCache cache = CacheFor(copy);
  EXPECT_EQ(cache.path(), Cache().path());
  EXPECT_NE(cache.Find(), nullptr);
  EXPECT_EQ(ReadFileState(cache.path()).value().inode, kept.inode);
  // The old path gets other weights, the copy keeps its own.
  WriteModel(6);
  ExpectRightDetections();
  EXPECT_THAT(Files(), SizeIs(2));
  EXPECT_NE(CacheFor(copy).Find(), nullptr);
  EXPECT_NE(Cache().path(), CacheFor(copy).path());
}

// The author of weights can choose them so. A checksum for damage takes them for the others.
TEST_F(PackedCacheTest, WeightsWithTheChecksumOfOthersAreNotTakenForThem) {
  ExpectRightDetections();
  const std::string weights = ReadFile(Weights()).value();
  const std::string cached = Cache().path();
  WriteModel(6);
  const std::string other = ReadFile(Weights()).value();
  ASSERT_EQ(other.size(), weights.size());
  const std::string forged = WithCrc32c(other, other.size() - 256, Crc32c(weights));
  ASSERT_EQ(Digest(forged), Digest(weights));
  ASSERT_NE(forged, weights);
  ASSERT_THAT(WriteFileAtomically(Weights(), forged), IsOk());
  EXPECT_NE(Cache().path(), cached);
  EXPECT_EQ(Cache().Find(), nullptr);
  ExpectRightDetections();
}

// Other bytes of the same size that keep their state cannot be made here, but a digest can be put
// into the index: it is believed, and the file is not read.
TEST_F(PackedCacheTest, WeightsAreReadOnlyOnceForTheirDigest) {
  ExpectRightDetections();
  const std::string index = ReadFile(Index()).value();
  const std::string state = ReadFileState(Weights()).value().ToString();
  EXPECT_THAT(index, HasSubstr(state));
  ASSERT_THAT(WriteFileAtomically(Index(), WeightsIndexText({{kOther, state, "/x"}})), IsOk());
  EXPECT_THAT(Cache().path(), HasSubstr(absl::StrCat("/", kOther, "-")));
  EXPECT_EQ(Cache().Find(), nullptr);
  ASSERT_THAT(WriteFileAtomically(Index(), index), IsOk());
  EXPECT_NE(Cache().Find(), nullptr);
}

TEST_F(PackedCacheTest, TheIndexHasTheChecksumOfTheWeights) {
  const FileState state = ReadFileState(Weights()).value();
  EXPECT_FALSE(PackedCache::FindFileDigest(options_.folder, state).has_value());
  ExpectRightDetections();
  const FileDigest digest = Digest(ReadFile(Weights()).value());
  EXPECT_TRUE(PackedCache::FindFileDigest(options_.folder, state) == digest);
  EXPECT_FALSE(PackedCache::FindFileDigest("", state).has_value());
  FileState other = state;
  ++other.changed_ns;
  EXPECT_FALSE(PackedCache::FindFileDigest(options_.folder, other).has_value());
}

TEST_F(PackedCacheTest, ADamagedOrMissingIndexIsReplaced) {
  ExpectRightDetections();
  const std::string whole = ReadFile(Index()).value();
  const std::string state = ReadFileState(Weights()).value().ToString();
  std::string flipped = WeightsIndexText({{kOther, state, "/x"}});
  flipped[12] ^= 1;  // of the digest
  for (const std::string& text : {std::string(), std::string("\n\t\t\n\0", 5), flipped,
                                  WeightsIndexLine(absl::StrCat("../../x\t", state, "\t/x")),
                                  absl::StrCat(kOther, "\t", state, "\t/x\n")}) {
    ASSERT_THAT(WriteFileAtomically(Index(), text), IsOk());
    EXPECT_NE(Cache().Find(), nullptr) << text;
    EXPECT_EQ(ReadFile(Index()).value(), whole) << text;
  }
  ASSERT_THAT(RemovePath(Index()), IsOk());
  EXPECT_NE(Cache().Find(), nullptr);
  EXPECT_EQ(ReadFile(Index()).value(), whole);
}

TEST_F(PackedCacheTest, TheIndexHasTheLastPathsAlone) {
  std::vector<IndexedWeights> others;
  for (int64_t i = 0; i < PackedCache::kMostWeights; ++i) {
    others.push_back({kOther, absl::StrCat("state ", i), absl::StrCat("/weights ", i)});
  }
  ASSERT_THAT(CreateDirectories(options_.folder), IsOk());
  ASSERT_THAT(WriteFileAtomically(Index(), WeightsIndexText(others)), IsOk());
  ExpectRightDetections();
  const std::string index = ReadFile(Index()).value();
  EXPECT_EQ(std::count(index.begin(), index.end(), '\n'), PackedCache::kMostWeights);
  EXPECT_THAT(index, HasSubstr(absl::StrCat("/model/", kModelWeightsFile, "\n")));
  EXPECT_THAT(index, HasSubstr("/weights 98\n"));
  EXPECT_THAT(index, Not(HasSubstr("/weights 99\n")));
}

TEST_F(PackedCacheTest, WeightsThatHaveChangedSinceTheyWereReadAreNotKept) {
  const WeightsOrigin before = {Weights(), ReadFileState(Weights()).value()};
  WriteModel(6);
  EXPECT_FALSE(PackedCache(options_, before, Config(), Precision::kFloat32).enabled());
  const WeightsOrigin absent = {root_ + "/absent", before.state};
  EXPECT_FALSE(PackedCache(options_, absent, Config(), Precision::kFloat32).enabled());
}

TEST_F(PackedCacheTest, DependsOnTheNetworkThePrecisionAndTheInstructions) {
  ExpectRightDetections();
  configs::DetectorConfig limits = Config();
  limits.mutable_model()->mutable_head()->mutable_detections()->set_min_score(0.7);
  EXPECT_EQ(Cache(limits).path(), Cache().path());
  const auto found = Cache(limits).Find();
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->config().head().detections().min_score(), 0.7);
  configs::DetectorConfig other = Config();
  other.mutable_model()->mutable_rpn()->set_channels(16);
  EXPECT_NE(Cache(other).path(), Cache().path());
  EXPECT_EQ(Cache(other).Find(), nullptr);
  EXPECT_EQ(Cache(Config(), Precision::kBfloat16).path() == Cache().path(),
            SupportedPrecision(Precision::kBfloat16) == Precision::kFloat32);
}

// Nothing is computed at these levels, so the processor may lack them.
TEST_F(PackedCacheTest, EveryLevelOfInstructionsHasItsOwnFile) {
  const InstructionLevel current = CurrentInstructionLevel();
  std::set<std::string> paths;
  for (const InstructionLevel level : {InstructionLevel::kPortable, InstructionLevel::kAvx2,
                                       InstructionLevel::kAvx512, InstructionLevel::kAvx512Bf16}) {
    StoreInstructionLevel(level);
    paths.insert(Cache().path());
  }
  StoreInstructionLevel(current);
  EXPECT_THAT(paths, SizeIs(4));
}

TEST_F(PackedCacheTest, AFolderThatCannotBeMadeIsHarmless) {
  ASSERT_THAT(WriteFileAtomically(root_ + "/file", "x"), IsOk());
  options_.folder = root_ + "/file/cache";
  ExpectRightDetections();
  ExpectRightDetections();
}

TEST_F(PackedCacheTest, DeletesOldFilesAndKeepsNothingTooLarge) {
  ExpectRightDetections();
  const int64_t bytes = ReadFileState(Cache().path()).value().size;
  ASSERT_THAT(RemovePath(Cache().path()), IsOk());
  const std::string old = options_.folder + "/old.packed.safetensors";
  ASSERT_THAT(WriteFileAtomically(old, std::string(100, 'x')), IsOk());
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, old.c_str(), times, 0), 0);
  options_.max_bytes = bytes + 99;
  ExpectRightDetections();
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_NE(Cache().Find(), nullptr);
  ASSERT_THAT(RemovePath(Cache().path()), IsOk());
  options_.max_bytes = 1000;
  ExpectRightDetections();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(PackedCacheTest, OtherFilesInTheFolderStay) {
  ExpectRightDetections();
  options_.max_bytes = ReadFileState(Cache().path()).value().size;
  ASSERT_THAT(RemovePath(Cache().path()), IsOk());
  const std::string other = options_.folder + "/model.safetensors";
  ASSERT_THAT(WriteFileAtomically(other, std::string(100, 'x')), IsOk());
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, other.c_str(), times, 0), 0);
  ExpectRightDetections();
  EXPECT_THAT(Files(), SizeIs(2));
  EXPECT_NE(Cache().Find(), nullptr);
}

TEST_F(PackedCacheTest, OnlyThisUserCanOpenANewFolder) {
  ExpectRightDetections();
  struct stat status = {};
  ASSERT_EQ(stat(options_.folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, mode_t{0700});
}

TEST_F(PackedCacheTest, WeightsThatHaveJustChangedAreNotKept) {
  options_.min_age_ns = int64_t{3'600'000'000'000};
  ExpectRightDetections();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(PackedCacheTest, WritersAtTheSameTimeDoNotDisturbEachOther) {
  const Detections expected = Uncached();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const absl::StatusOr<Detections> found = Detect();
      EXPECT_THAT(found, IsOk());
      if (!found.ok()) return;
      ExpectSameBits(*found, expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_NE(Cache().Find(), nullptr);
}

TEST_F(PackedCacheTest, IsOffWithoutAFolderOrAFileOfWeights) {
  options_.folder = "";
  EXPECT_FALSE(Cache().enabled());
  ExpectRightDetections();
  const PackedCacheOptions somewhere = {.folder = root_};
  EXPECT_FALSE(PackedCache(somewhere, {}, Config(), Precision::kFloat32).enabled());
}

}  // namespace
}  // namespace rcnn::detection
