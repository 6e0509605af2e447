#include "rcnn/detection/weights/weights_file.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kStateFiles[] = {"state_zip.pth", "state_protocol4.pth", "state_legacy.pth",
                                       "checkpoint_legacy.pth", "state.safetensors"};
constexpr const char* kCaffeFiles[] = {"layers_v1.caffemodel", "layers_v2.caffemodel"};

std::string TestPath(const std::string& name) {
  return absl::StrCat("detection/weights/testdata/", name);
}

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

std::string Contents(const std::string& path) {
  const auto bytes = ReadFile(path);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? *bytes : "";
}

// Reads from a block of exactly that size, so that asan detects an overrun.
absl::StatusOr<StateDict> ReadExactly(absl::string_view bytes) {
  const auto copy = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  copy->shrink_to_fit();
  return ReadStateDict(absl::string_view(copy->data(), copy->size()), copy);
}

// Uses every byte of every tensor.
double Sum(const StateDict& state) {
  double sum = 0.0;
  for (const auto& entry : state) {
    const at::Tensor tensor = entry.tensor.contiguous();
    const auto* const bytes = static_cast<const uint8_t*>(tensor.data_ptr());
    for (size_t i = 0; i < tensor.nbytes(); ++i) sum += bytes[i];
  }
  return sum;
}

// make_fixtures.py's values: halves from -1 on, counts from 1 on, or odd
// positions.
at::Tensor Expected(at::ScalarType type, at::IntArrayRef shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const at::Tensor position = at::arange(count, at::kDouble);
  if (type == at::kBool) return position.remainder(2).to(type).view(shape);
  if (at::isFloatingType(type)) return (position * 0.5 - 1.0).to(type).view(shape);
  return (position + 1).to(type).view(shape);
}

void ExpectTensor(const StateDict& state, const std::string& name, const at::Tensor& want) {
  const at::Tensor* const got = state.Find(name);
  ASSERT_NE(got, nullptr) << name;
  EXPECT_EQ(got->scalar_type(), want.scalar_type()) << name;
  EXPECT_EQ(got->sizes(), want.sizes()) << name;
  EXPECT_TRUE(at::equal(*got, want)) << name;
}

void ExpectFixture(const StateDict& state) {
  EXPECT_EQ(state.size(), 14u);
  ExpectTensor(state, "conv1.weight", Expected(at::kFloat, {2, 3, 2, 2}));
  ExpectTensor(state, "conv1.bias", Expected(at::kDouble, {2}));
  ExpectTensor(state, "bn1.running_mean", Expected(at::kHalf, {3}));
  ExpectTensor(state, "bn1.running_var", Expected(at::kBFloat16, {3}));
  ExpectTensor(state, "bn1.num_batches_tracked", Expected(at::kLong, {}));
  ExpectTensor(state, "counts", Expected(at::kInt, {2, 2}));
  ExpectTensor(state, "shorts", Expected(at::kShort, {3}));
  ExpectTensor(state, "chars", Expected(at::kChar, {3}));
  ExpectTensor(state, "bytes", Expected(at::kByte, {3}));
  ExpectTensor(state, "mask", Expected(at::kBool, {4}));
  ExpectTensor(state, "empty", Expected(at::kFloat, {0, 4}));
  const at::Tensor base = at::arange(12, at::kFloat).view({3, 4});
  ExpectTensor(state, "view.transposed", base.t());
  ExpectTensor(state, "view.slice", base.slice(0, 1).slice(1, 1, 3));
  ExpectTensor(state, "parameter", at::full({2}, 7.0f));
}

TEST(WeightsFileTest, ReadsFilesFromPython) {
  for (const char* const name : kStateFiles) {
    const auto state = LoadStateDict(TestPath(name));
    ASSERT_THAT(state, IsOk());
    SCOPED_TRACE(name);
    ExpectFixture(*state);
  }
}

TEST(WeightsFileTest, ReadsCaffeModelsOfBothSchemas) {
  for (const char* const name : kCaffeFiles) {
    const auto state = LoadStateDict(TestPath(name));
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->size(), 4u);
    ExpectTensor(*state, "conv1_1.weight", Expected(at::kFloat, {2, 3, 2, 2}));
    ExpectTensor(*state, "conv1_1.bias", Expected(at::kFloat, {2}));
    ExpectTensor(*state, "fc6.weight", Expected(at::kFloat, {3, 4}));
    ExpectTensor(*state, "fc6.bias", Expected(at::kFloat, {3}));
  }
}

TEST(WeightsFileTest, PthKeepsTheOrderOfTheDict) {
  for (const char* const name : {"state_zip.pth", "state_legacy.pth"}) {
    const auto state = LoadStateDict(TestPath(name));
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->entries().front().name, "conv1.weight");
    EXPECT_EQ(state->entries()[10].name, "empty");
    EXPECT_EQ(state->entries().back().name, "parameter");
  }
}

TEST(WeightsFileTest, TensorsOutliveTheirFile) {
  for (const char* const name : kStateFiles) {
    const std::string path = TempPath(name);
    ASSERT_THAT(WriteFileAtomically(path, Contents(TestPath(name))), IsOk());
    at::Tensor weight;
    {
      const auto state = LoadStateDict(path);
      ASSERT_THAT(state, IsOk());
      weight = *state->Find("conv1.weight");
    }
    std::remove(path.c_str());
    EXPECT_TRUE(at::equal(weight, Expected(at::kFloat, {2, 3, 2, 2})));
  }
}

TEST(WeightsFileTest, ReadsBackWithMetadata) {
  auto state = LoadStateDict(TestPath("state_zip.pth"));
  ASSERT_THAT(state, IsOk());
  state->metadata() = {{"name_map", "rcnn"}, {"note", "\xc3\xa4 \"quoted\"\n"}};
  for (const char* const name : {"out.pth", "out.pt", "out.safetensors"}) {
    SCOPED_TRACE(name);
    const std::string path = TempPath(name);
    const absl::Status saved = SaveStateDict(*state, path);
    ASSERT_THAT(saved, IsOk());
    const auto read = LoadStateDict(path);
    ASSERT_THAT(read, IsOk());
    ExpectFixture(*read);
    EXPECT_EQ(read->metadata(), state->metadata());
  }
}

TEST(WeightsFileTest, WritesTensorsThatRequireGradients) {
  StateDict state;
  state.Add("w", at::full({2}, 3.0f).requires_grad_());
  ASSERT_THAT(SaveStateDict(state, TempPath("grad.pth")), IsOk());
  const auto read = LoadStateDict(TempPath("grad.pth"));
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->Find("w")->requires_grad());
  EXPECT_TRUE(at::equal(*read->Find("w"), at::full({2}, 3.0f)));
}

// A network on a GPU has channels-last weights.
TEST(WeightsFileTest, FilesDoNotDependOnTheLayout) {
  const at::Tensor plain = Expected(at::kFloat, {2, 3, 2, 2});
  for (const char* const ending : {"pth", "safetensors"}) {
    std::vector<std::string> contents;
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      StateDict state;
      state.Add("conv.weight", plain.contiguous(format));
      const std::string path = TempPath(absl::StrCat("layout.", ending));
      ASSERT_THAT(SaveStateDict(state, path), IsOk());
      contents.push_back(Contents(path));
    }
    EXPECT_EQ(contents[0], contents[1]) << ending;
  }
}

TEST(WeightsFileTest, RejectsUnsupportedFilesToWrite) {
  StateDict state;
  state.Add("z", at::full({2}, 1.0f).to(at::kComplexFloat));
  for (const char* const name : {"z.pth", "z.safetensors"}) {
    const absl::Status status = SaveStateDict(state, TempPath(name));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("'z'")));
    EXPECT_FALSE(std::ifstream(TempPath(name)).good());
  }
  EXPECT_THAT(SaveStateDict(state, "w.caffemodel"), StatusIs(absl::StatusCode::kInvalidArgument));
  StateDict fine;
  EXPECT_THAT(SaveStateDict(fine, "/nonexistent/w.pth"), ::testing::Not(IsOk()));
}

TEST(WeightsFileTest, CodeInAPickleIsNamedAndNotRun) {
  const std::pair<const char*, const char*> cases[] = {
      {"os_system.pth", "os_system/data.pkl: pickle, byte"},
      {"os_system_legacy.pth", "pickle, byte"}};
  for (const auto& [name, where] : cases) {
    const auto state = LoadStateDict(TestPath(name));
    EXPECT_THAT(state, StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr(TestPath(name)), HasSubstr(where),
                                      HasSubstr("'posix.system'"))));
  }
  EXPECT_FALSE(std::ifstream("pickle_was_run").good());
}

TEST(WeightsFileTest, NamesOtherPyTorchFiles) {
  const auto module = LoadStateDict(TestPath("whole_module.pth"));
  EXPECT_THAT(module, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("torch.nn.modules.linear.Linear")));
  const auto script = LoadStateDict(TestPath("torchscript.pt"));
  EXPECT_THAT(script, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("TorchScript")));
}

TEST(WeightsFileTest, ErrorsDescribeOtherFiles) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {"\x80\x02}.", "plain Python pickle"},
      {"\x1f\x8b\x08", "gzipped"},
      {"version https://git-lfs.github.com/spec/v1", "LFS pointer"},
      {"<!DOCTYPE html>", "HTML"},
      {std::string(257, 'x') + "ustar", "tar file"},
      {"GIF89a", "none of these"}};
  for (const auto& [bytes, message] : cases) {
    const auto format = DetectWeightsFormat(bytes);
    EXPECT_THAT(format, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << message;
  }
  EXPECT_THAT(LoadStateDict("/nonexistent.pth"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(LoadStateDict("/tmp"), ::testing::Not(IsOk()));
}

TEST(WeightsFileTest, EveryPrefixIsAnError) {
  for (const char* const name :
       {"state_zip.pth", "state_legacy.pth", "checkpoint_legacy.pth", "state.safetensors",
        "layers_v1.caffemodel", "layers_v2.caffemodel"}) {
    const std::string whole = Contents(TestPath(name));
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto state = ReadExactly(absl::string_view(whole).substr(0, size));
      const bool is_shorter_net = state.ok() && absl::EndsWith(name, ".caffemodel") &&
                                  state->size() == 2;  // cut between the two layers
      EXPECT_TRUE(!state.ok() || is_shorter_net) << name << " " << size;
    }
  }
}

TEST(WeightsFileTest, TruncationErrorsNameFileAndRecord) {
  const std::string zip = Contents(TestPath("state_legacy.pth"));
  ASSERT_THAT(WriteFileAtomically(TempPath("short.pth"), zip.substr(0, zip.size() - 1)), IsOk());
  const auto state = LoadStateDict(TempPath("short.pth"));
  EXPECT_THAT(state, StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(TempPath("short.pth")), HasSubstr("storage '"))));
}

TEST(WeightsFileTest, SafetensorsHeaderOf2To63BytesIsAnError) {
  std::string bytes = Contents(TestPath("state.safetensors"));
  bytes[7] = '\x80';
  const auto state = ReadExactly(bytes);
  EXPECT_THAT(state, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("safetensors")));
}

TEST(WeightsFileTest, SafetensorsOverlapAndUnknownTypeNameTheTensor) {
  const std::string overlapping = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  const std::string unsigned_type = R"({"b":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}})";
  for (const std::string& header : {overlapping, unsigned_type}) {
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    bytes += header + std::string(header == overlapping ? 12 : 8, '\0');
    const auto state = ReadExactly(bytes);
    EXPECT_THAT(state, StatusIs(header == overlapping ? absl::StatusCode::kInvalidArgument
                                                      : absl::StatusCode::kUnimplemented,
                                HasSubstr("b")));
  }
}

// A small fuzzer that always runs: random bytes of the fixtures are changed.
// What can still be read must be safe to use.
TEST(WeightsFileTest, ChangedBytesAreErrorsOrReadSafely) {
  std::vector<const char*> names(std::begin(kStateFiles), std::end(kStateFiles));
  names.insert(names.end(), std::begin(kCaffeFiles), std::end(kCaffeFiles));
  std::mt19937 random(7);
  double sum = 0.0;
  for (const char* const name : names) {
    const std::string whole = Contents(TestPath(name));
    for (int round = 0; round < 1500; ++round) {
      std::string changed = whole;
      const int changes = 1 + static_cast<int>(random() % 4);
      for (int i = 0; i < changes; ++i) {
        changed[random() % changed.size()] = static_cast<char>(random() % 256);
      }
      const auto state = ReadExactly(changed);
      if (state.ok()) sum += Sum(*state);
    }
  }
  EXPECT_GE(sum, 0.0);
}

#if !defined(__SANITIZE_ADDRESS__)  // which needs all addresses

// Limits the process to this much more memory than it uses now.
void LimitMemory(int64_t more_bytes) {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0;
  statm >> pages;
  rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = static_cast<rlim_t>(pages * 4096 + more_bytes);
  setrlimit(RLIMIT_AS, &limit);
}

// Uses up the heap's freed memory, in pieces of 1 MiB.
std::vector<std::unique_ptr<char[]>> FillMemory() {
  std::vector<std::unique_ptr<char[]>> pieces;
  pieces.reserve(1 << 16);
  while (char* piece = new (std::nothrow) char[1 << 20]) pieces.emplace_back(piece);
  return pieces;
}

TEST(WeightsFileDeathTest, ExhaustedMemoryIsAnError) {
  // layer { name: "x" blobs { shape { dim: 2^24 } data: zeros } }: 64 MiB of floats.
  const std::string blob = std::string("\x3a\x06\x0a\x04\x80\x80\x80\x08", 8) +
                           std::string("\x2a\x80\x80\x80\x20", 5) + std::string(64 << 20, '\0');
  const std::string layer = std::string("\x0a\x01x", 3) + "\x3a\x8d\x80\x80\x20" + blob;
  const std::string net = "\xa2\x06\x95\x80\x80\x20" + layer;
  ASSERT_THAT(ReadStateDict(net, nullptr), IsOk());
  EXPECT_EXIT(
      {
        LimitMemory(16 << 20);
        const std::vector<std::unique_ptr<char[]>> filler = FillMemory();
        const absl::Status status = ReadStateDict(net, nullptr).status();
        std::_Exit(status.code() == absl::StatusCode::kResourceExhausted ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace rcnn::detection::weights
