#include "rcnn/detection/weights/torch_pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/pickle_writer.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Tensor {
  std::string name = "conv1.weight";
  std::string type = "FloatStorage";
  std::string key = "0";
  int64_t elements = 6;
  int64_t offset = 0;
  std::vector<int64_t> sizes = {2, 3};
  std::vector<int64_t> strides = {3, 1};
};

void Write(const Tensor& tensor, PickleWriter& pickle) {
  pickle.String(tensor.name);
  pickle.Global("torch._utils", "_rebuild_tensor_v2");
  pickle.Op(PickleWriter::kMark);
  pickle.Op(PickleWriter::kMark);
  pickle.String("storage");
  pickle.Global("torch", tensor.type);
  pickle.String(tensor.key);
  pickle.String("cuda:0");
  pickle.Integer(tensor.elements);
  pickle.Op(PickleWriter::kTuple);
  pickle.Op(PickleWriter::kPersistentId);
  pickle.Integer(tensor.offset);
  pickle.Integers(tensor.sizes);
  pickle.Integers(tensor.strides);
  pickle.Op(PickleWriter::kFalse);
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kTuple);
  pickle.Op(PickleWriter::kReduce);
}

absl::StatusOr<PickledStateDict> Parse(const std::vector<Tensor>& tensors) {
  PickleWriter pickle;
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
  for (const Tensor& tensor : tensors) Write(tensor, pickle);
  pickle.Op(PickleWriter::kSetItems);
  return ParseStateDictPickle(std::move(pickle).Finish());
}

TEST(TorchPickleTest, ReadsAViewOfAStorage) {
  const auto state = Parse({{.offset = 2, .sizes = {2, 2}, .strides = {1, 2}}});
  ASSERT_THAT(state, IsOk());
  ASSERT_EQ(state->tensors.size(), 1u);
  const PickledTensor& tensor = state->tensors[0];
  EXPECT_EQ(tensor.name, "conv1.weight");
  EXPECT_EQ(tensor.storage_key, "0");
  EXPECT_EQ(tensor.storage.type, at::kFloat);
  EXPECT_EQ(tensor.storage.elements, 6);
  EXPECT_EQ(tensor.offset, 2);
  EXPECT_THAT(tensor.sizes, ElementsAre(2, 2));
  EXPECT_THAT(tensor.strides, ElementsAre(1, 2));
}

TEST(TorchPickleTest, LastElementMayBeTheStoragesLast) {
  EXPECT_THAT(Parse({{.offset = 0}}), IsOk());
  EXPECT_THAT(Parse({{.offset = 5, .sizes = {}, .strides = {}}}), IsOk());
  EXPECT_THAT(Parse({{.elements = 0, .offset = 7, .sizes = {0, 3}}}), IsOk());
}

TEST(TorchPickleTest, ViewsBeyondTheStorageAreErrors) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  const Tensor cases[] = {{.offset = 1},
                          {.elements = 5},
                          {.strides = {4, 1}},
                          {.offset = 6, .sizes = {}, .strides = {}},
                          {.sizes = {3, 3}},
                          {.sizes = {kHuge, 4}},
                          {.sizes = {0, kHuge, 4}, .strides = {1, 1, 1}},
                          {.strides = {kHuge, kHuge}},
                          {.offset = INT64_MAX},
                          {.sizes = {1000, 1000}, .strides = {0, 0}},
                          {.sizes = {2}},
                          {.offset = -1},
                          {.sizes = {-2, 3}},
                          {.strides = {-3, 1}},
                          {.elements = -6}};
  for (const Tensor& tensor : cases) {
    const auto state = Parse({tensor});
    const std::string name = tensor.elements > 0 ? "tensor 'conv1.weight'" : "";
    EXPECT_THAT(state, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  }
}

TEST(TorchPickleTest, OneStorageHasOneTypeAndSize) {
  EXPECT_THAT(Parse({{.name = "a"}, {.name = "b"}}), IsOk());
  EXPECT_THAT(Parse({{.name = "a"}, {.name = "b", .elements = 8}}), ::testing::Not(IsOk()));
  EXPECT_THAT(Parse({{.name = "a"}, {.name = "b", .type = "DoubleStorage"}}),
              ::testing::Not(IsOk()));
}

// One string of the file may be the name of many values, and each name is a copy.
TEST(TorchPickleTest, LongAndRepeatedNamesAreErrors) {
  EXPECT_THAT(Parse({{.name = std::string(5000, 'a')}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a name of 5000 bytes")));
  EXPECT_THAT(
      Parse({{.key = std::string(300, '1')}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a storage key of 300 bytes")));
  EXPECT_THAT(Parse({{.name = "a"}, {.name = "b"}, {.name = "a"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tensor 'a' is a duplicate")));
}

TEST(TorchPickleTest, MetadataWithoutEndIsAnError) {
  PickleWriter pickle;
  pickle.Global("collections", "OrderedDict");
  pickle.Op(PickleWriter::kEmptyTuple);
  pickle.Op(PickleWriter::kReduce);
  pickle.Op(PickleWriter::kMark);
  Write({}, pickle);
  pickle.Op(PickleWriter::kSetItems);
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
  pickle.String("rcnn_metadata");
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
  for (int i = 0; i < 17; ++i) {
    pickle.String(std::string(1, static_cast<char>('a' + i)));
    pickle.String(std::string(1 << 20, 'x'));
  }
  pickle.Op(PickleWriter::kSetItems);
  pickle.Op(PickleWriter::kSetItems);
  pickle.Op(PickleWriter::kBuild);
  EXPECT_THAT(
      ParseStateDictPickle(std::move(pickle).Finish()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("metadata of more than 16 MiB")));
}

TEST(TorchPickleTest, UnknownStorageTypesAreNamed) {
  const auto state = Parse({{.type = "QInt8Storage"}});
  EXPECT_THAT(state,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'torch.QInt8Storage'")));
}

void BeginDict(PickleWriter& pickle) {
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
}

void EndDict(PickleWriter& pickle) { pickle.Op(PickleWriter::kSetItems); }

// An object such as argparse.Namespace(), with attributes.
void WriteObject(const std::string& module, const std::string& name, PickleWriter& pickle) {
  pickle.Global(module, name);
  pickle.Op(PickleWriter::kEmptyTuple);
  pickle.Op(PickleWriter::kReduce);
  BeginDict(pickle);
  pickle.String("lr");
  pickle.Integer(3);
  EndDict(pickle);
  pickle.Op(PickleWriter::kBuild);
}

void WriteDict(const std::string& key, const std::vector<Tensor>& tensors, PickleWriter& pickle) {
  pickle.String(key);
  BeginDict(pickle);
  for (const Tensor& tensor : tensors) Write(tensor, pickle);
  EndDict(pickle);
}

// As trainers write them: arguments, an optimiser, an accuracy, and the weights.
TEST(TorchPickleTest, TheOneDictionaryIsFoundWhateverStandsBesideIt) {
  for (const char* key : {"state_dict", "model", "weights", "generator"}) {
    PickleWriter pickle;
    BeginDict(pickle);
    pickle.String("args");
    WriteObject("argparse", "Namespace", pickle);
    pickle.String("date");
    WriteObject("datetime", "datetime", pickle);
    Write({.name = "best_accuracy"}, pickle);
    pickle.String("optimizer");
    BeginDict(pickle);
    pickle.String("state");
    BeginDict(pickle);
    pickle.Integer(0);
    BeginDict(pickle);
    Write({.name = "exp_avg"}, pickle);
    EndDict(pickle);
    EndDict(pickle);
    EndDict(pickle);
    WriteDict(key, {{.name = "a"}, {.name = "b"}}, pickle);
    EndDict(pickle);
    const auto state = ParseStateDictPickle(std::move(pickle).Finish());
    ASSERT_THAT(state, IsOk()) << key;
    ASSERT_EQ(state->tensors.size(), 2u) << key;
    EXPECT_EQ(state->tensors[1].name, "b");
  }
}

TEST(TorchPickleTest, OfSeveralDictionariesTheUsualKeyIsTakenOrTheyAreNamed) {
  for (const bool usual : {true, false}) {
    PickleWriter pickle;
    BeginDict(pickle);
    WriteDict("ema", {{.name = "a"}, {.name = "b"}}, pickle);
    WriteDict(usual ? "model" : "generator", {{.name = "c"}}, pickle);
    EndDict(pickle);
    const auto state = ParseStateDictPickle(std::move(pickle).Finish());
    if (usual) {
      ASSERT_THAT(state, IsOk());
      EXPECT_EQ(state->tensors[0].name, "c");
    } else {
      EXPECT_THAT(state,
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("several dictionaries of tensors: 'ema', 'generator'")));
    }
  }
}

TEST(TorchPickleTest, WhatRunsCodeIsRefusedWhereverItStands) {
  for (const auto& [module, name] : {std::pair("posix", "system"), std::pair("builtins", "eval"),
                                     std::pair("subprocess", "Popen"), std::pair("os.path", "x")}) {
    PickleWriter pickle;
    BeginDict(pickle);
    WriteDict("model", {{.name = "a"}}, pickle);
    pickle.String("hook");
    WriteObject(module, name, pickle);
    EndDict(pickle);
    EXPECT_THAT(ParseStateDictPickle(std::move(pickle).Finish()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("asks for '", module, ".", name, "'"))));
  }
}

TEST(TorchPickleTest, TensorsOfOtherKindsAreNotSkipped) {
  PickleWriter pickle;
  BeginDict(pickle);
  Write({.name = "a"}, pickle);
  pickle.String("b");
  WriteObject("torch._utils", "_rebuild_sparse_tensor", pickle);
  EndDict(pickle);
  EXPECT_THAT(ParseStateDictPickle(std::move(pickle).Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("_rebuild_sparse_tensor")));
}

// A memo entry of one tensor under keys of three bytes each: a kilobyte for seven bytes.
TEST(TorchPickleTest, ManyNamesOfOneTensorAreBoundedByTheFile) {
  PickleWriter tensor;
  Write({}, tensor);
  std::string bytes = std::move(tensor).Finish();
  bytes.pop_back();
  bytes = absl::StrCat(bytes.substr(0, 2), "}(", bytes.substr(2), "q\x07");
  for (int i = 0; i < 20'000; ++i) {
    const char name[] = {'U', 3, static_cast<char>('a' + i % 26),
                         static_cast<char>('a' + i / 26 % 26), static_cast<char>('0' + i / 676)};
    absl::StrAppend(&bytes, absl::string_view(name, sizeof(name)), "h\x07");
  }
  bytes += "u.";
  EXPECT_THAT(ParseStateDictPickle(bytes), StatusIs(absl::StatusCode::kResourceExhausted,
                                                    HasSubstr("16 times the size of the file")));
  const auto large = ParseStateDictPickle(bytes, /*file_bytes=*/10'000'000);
  ASSERT_THAT(large, IsOk());
  EXPECT_EQ(large->tensors.size(), 20'001u);
}

// Four dicts, each 2000 times a value of the one before: 10^13 ways through them.
TEST(TorchPickleTest, NestedReferencesAreRefusedAtOnce) {
  PickleWriter tensors;
  BeginDict(tensors);
  Write({}, tensors);
  EndDict(tensors);
  std::string bytes = std::move(tensors).Finish();
  bytes.pop_back();
  bytes += absl::StrCat("q", absl::string_view("\0", 1), "U\x01kq\x09");
  for (char depth = 1; depth <= 4; ++depth) {
    bytes += "}(";
    for (int i = 0; i < 2000; ++i) {
      absl::StrAppend(&bytes, "h\x09h", std::string(1, static_cast<char>(depth - 1)));
    }
    absl::StrAppend(&bytes, "uq", std::string(1, depth));
  }
  bytes += ".";
  EXPECT_THAT(ParseStateDictPickle(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 1000 dictionaries of tensors")));
}

// One long text, used by many keys of two bytes.
TEST(TorchPickleTest, MetadataIsNotLargerThanTheFile) {
  std::string bytes = "\x80\x02";
  bytes += "ccollections\nOrderedDict\n)R";
  PickleWriter tensors;
  BeginDict(tensors);
  Write({.name = "a"}, tensors);
  EndDict(tensors);
  const std::string written = std::move(tensors).Finish();
  // Without the beginning, the dict's own opcodes and the end: one key, one tensor.
  bytes += "(" + written.substr(4, written.size() - 6) + "u";
  bytes += "}(X" + std::string("\x0d\0\0\0", 4) + "rcnn_metadata}(";
  bytes += "X" + std::string("\x01\0\0\0", 4) + "a" + "X" + std::string("\0\x20\0\0", 4) +
           std::string(0x2000, 'x') + "q\x01";
  for (int i = 0; i < 1000; ++i) {
    const std::string key = absl::StrCat(10000 + i);
    bytes += "X" + std::string("\x05\0\0\0", 4) + key + "h\x01";
  }
  bytes += "uub.";
  EXPECT_THAT(ParseStateDictPickle(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("used many times")));
}

TEST(TorchPickleTest, OnlyStateDicts) {
  PickleWriter number;
  number.Integer(3);
  EXPECT_THAT(
      ParseStateDictPickle(std::move(number).Finish()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is an integer, not a state dict")));
  PickleWriter other;
  other.Op(PickleWriter::kEmptyDict);
  other.Op(PickleWriter::kMark);
  other.String("weights");
  other.String("gone");
  other.Op(PickleWriter::kSetItems);
  EXPECT_THAT(ParseStateDictPickle(std::move(other).Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("its keys are 'weights'")));
}

TEST(TorchPickleTest, AllowsOnlyWhatStateDictsNeed) {
  for (const char* name : {"torch.FloatStorage", "torch._utils._rebuild_tensor_v2",
                           "torch._utils._rebuild_parameter", "torch.BFloat16Storage"}) {
    EXPECT_TRUE(IsStateDictGlobal(name)) << name;
  }
  for (const char* name : {"os.system", "posix.system", "torch.load", "torch._utils", "",
                           "torch.FloatStorage.from_file", "builtins.eval"}) {
    EXPECT_FALSE(IsStateDictGlobal(name)) << name;
  }
}

}  // namespace
}  // namespace rcnn::detection::weights
