#include "rcnn/base/safetensors.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Length(uint64_t length) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(length >> shift);
  return bytes;
}

std::string File(const std::string& json, const std::string& data) {
  return Length(json.size()) + json + data;
}

// A file with one array "a" whose description is `fields`, and eight bytes of data.
std::string One(const std::string& fields) {
  return File(absl::StrCat("{\"a\":{", fields, "}}"), "01234567");
}

// Parses a heap copy of the exact size, so that asan sees any read past the end.
absl::Status Parse(const std::string& file) {
  const std::vector<char> exact(file.begin(), file.end());
  return SafetensorsView::Parse({exact.data(), exact.size()}).status();
}

void ExpectInvalid(const std::string& file, const std::string& message) {
  const absl::Status status = Parse(file);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(SafetensorsTest, ReadsArraysInTheOrderOfTheirBytes) {
  const std::string file = File(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},)"
                                R"("__metadata__":{"k":"v","é\u0041":"\n"},)"
                                R"("a":{"shape":[1,1],"data_offsets":[0,4],"dtype":"F32"}}   )",
                                "abcdef");
  const absl::StatusOr<SafetensorsView> view = SafetensorsView::Parse(file);
  ASSERT_THAT(view, IsOk());
  ASSERT_EQ(view->arrays().size(), 2u);
  EXPECT_EQ(view->arrays()[0].spec.name, "a");
  EXPECT_EQ(view->arrays()[0].spec.type, SafetensorsType::kF32);
  EXPECT_THAT(view->arrays()[0].spec.shape, ElementsAre(1, 1));
  EXPECT_EQ(view->arrays()[0].bytes, "abcd");
  EXPECT_EQ(view->Find("b")->bytes, "ef");
  EXPECT_EQ(view->Find("c"), nullptr);
  EXPECT_EQ(view->Find("__metadata__"), nullptr);
  EXPECT_THAT(view->metadata(), ElementsAre(Pair("k", "v"), Pair("éA", "\n")));
}

TEST(SafetensorsTest, ReadsEveryType) {
  const std::vector<std::pair<std::string, int64_t>> types = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"F16", 2}, {"BF16", 2},
      {"U32", 4},  {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8}};
  for (const auto& [name, size] : types) {
    const std::string file =
        File(absl::StrCat("{\"a\":{\"dtype\":\"", name, "\",\"shape\":[3],\"data_offsets\":[0,",
                          3 * size, "]}}"),
             std::string(3 * size, 'x'));
    const absl::StatusOr<SafetensorsView> view = SafetensorsView::Parse(file);
    ASSERT_THAT(view, IsOk());
    const SafetensorsType type = view->arrays()[0].spec.type;
    EXPECT_EQ(SafetensorsTypeName(type), name);
    EXPECT_EQ(SafetensorsTypeSize(type), size);
  }
}

TEST(SafetensorsTest, ReadsScalarsAndEmptyArrays) {
  const std::string file =
      File(R"({"empty":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]},)"
           R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})",
           "01234567");
  const absl::StatusOr<SafetensorsView> view = SafetensorsView::Parse(file);
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT(view->Find("scalar")->spec.shape, IsEmpty());
  EXPECT_EQ(view->Find("scalar")->bytes, "01234567");
  EXPECT_EQ(view->Find("empty")->bytes, "");
}

TEST(SafetensorsTest, ReadsAFileWithoutArrays) {
  const std::string file = File("{}", "");
  const absl::StatusOr<SafetensorsView> view = SafetensorsView::Parse(file);
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT(view->arrays(), IsEmpty());
}

TEST(SafetensorsTest, EveryTruncationIsAnError) {
  const std::string file = One(R"("dtype":"F64","shape":[1],"data_offsets":[0,8])");
  ASSERT_THAT(Parse(file), IsOk());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(Parse(file.substr(0, size)), ::testing::Not(IsOk())) << size;
  }
  EXPECT_THAT(Parse(file + "x"), ::testing::Not(IsOk()));
}

TEST(SafetensorsTest, EveryChangedHeaderByteIsAnErrorOrStaysInside) {
  const std::string file = One(R"("dtype":"F64","shape":[1],"data_offsets":[0,8])");
  for (size_t i = 0; i < file.size() - 8; ++i) {
    for (const char c : {'\0', '0', '9', '"', '[', '{', '-', '\xff'}) {
      std::string changed = file;
      changed[i] = c;
      const std::vector<char> exact(changed.begin(), changed.end());
      const auto view = SafetensorsView::Parse({exact.data(), exact.size()});
      if (!view.ok()) continue;
      for (const SafetensorsArray& array : view->arrays()) {
        EXPECT_EQ(array.bytes.data() + array.bytes.size(), exact.data() + exact.size());
      }
    }
  }
}

TEST(SafetensorsTest, HeaderLengthBeyondTheFileIsAnError) {
  EXPECT_THAT(Parse(Length(3) + "{}"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Parse(""), StatusIs(absl::StatusCode::kDataLoss));
  ExpectInvalid(Length(uint64_t{1} << 63) + "{}", "9223372036854775808 bytes");
  ExpectInvalid(Length(~uint64_t{0}) + "{}", "18446744073709551615 bytes");
  ExpectInvalid(Length(10'000'000'000) + "{}", "10000000000 bytes");
}

TEST(SafetensorsTest, HeaderMustBeAnObject) {
  ExpectInvalid(File("", ""), "not a JSON object");
  ExpectInvalid(File("[]", ""), "not a JSON object");
  ExpectInvalid(File("{\"a\":", ""), "not a JSON object");
  ExpectInvalid(File("{} {}", ""), "not a JSON object");
  ExpectInvalid(File("{\"\xff\":{}}", ""), "not a JSON object");
  ExpectInvalid(File(std::string("{\0}", 3), ""), "not a JSON object");
}

TEST(SafetensorsTest, DeepNestingIsAnError) {
  ExpectInvalid(File(std::string(100'000, '['), ""), "not a JSON object");
  ExpectInvalid(
      One(absl::StrCat("\"shape\":", std::string(100'000, '['), std::string(100'000, ']'))),
      "not a JSON object");
}

TEST(SafetensorsTest, DuplicateNamesAreErrors) {
  const std::string array = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  ExpectInvalid(File(absl::StrCat("{", array, ",", array, "}"), ""), "duplicate name");
  // The same name again, written with an escape.
  ExpectInvalid(File(absl::StrCat("{", array,
                                  R"(,"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
                     ""),
                "duplicate name");
  ExpectInvalid(One(R"("dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8])"),
                "dtype is a duplicate");
  ExpectInvalid(File(R"({"__metadata__":{"k":"1","k":"2"}})", ""), "duplicate key \"k\"");
}

TEST(SafetensorsTest, WrongFieldsNameTheArrayAndTheValue) {
  ExpectInvalid(File(R"({"a":3})", ""), "array \"a\": not a JSON object");
  ExpectInvalid(One(R"("dtype":"F32")"), "dtype, shape or data_offsets is missing");
  ExpectInvalid(One(R"("dtype":"F31","shape":[2],"data_offsets":[0,8])"), "unknown dtype \"F31\"");
  ExpectInvalid(One(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "dtype is not a string");
  ExpectInvalid(One(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "shape is not a list");
  ExpectInvalid(One(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "must be two numbers");
  ExpectInvalid(One(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1)"),
                "unknown field \"x\"");
  ExpectInvalid(File(R"({"__metadata__":{"k":1}})", ""), "\"k\" is not a string");
  ExpectInvalid(File(R"({"__metadata__":[]})", ""), "__metadata__ is not a JSON object");
}

TEST(SafetensorsTest, InvalidSizesAreErrors) {
  for (const std::string number : {"-1", "2.0", "1e3", "true", "\"2\"", "[2]", "null"}) {
    ExpectInvalid(
        One(absl::StrCat("\"dtype\":\"F32\",\"shape\":[", number, "],\"data_offsets\":[0,8]")),
        absl::StrCat("array \"a\": shape[0] is "));
  }
  for (const std::string number : {"9223372036854775808", "18446744073709551615"}) {
    ExpectInvalid(
        One(absl::StrCat("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,", number, "]")),
        absl::StrCat("array \"a\": data_offsets[1] is ", number));
  }
  for (const std::string number : {"1e400", "NaN", "99999999999999999999999", "0x1"}) {
    ExpectInvalid(
        One(absl::StrCat("\"dtype\":\"F32\",\"shape\":[", number, "],\"data_offsets\":[0,8]")),
        "not a JSON object");
  }
}

TEST(SafetensorsTest, ShapesThatDisagreeWithTheBytesAreErrors) {
  ExpectInvalid(One(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
                "hold 8 bytes; F32 of shape [3] needs 12");
  // 2^62 elements of 4 bytes: the product is 0 modulo 2^64.
  ExpectInvalid(One(R"("dtype":"F32","shape":[2147483648,2147483648],"data_offsets":[0,0])"),
                "more than 2^63 bytes");
  ExpectInvalid(One(R"("dtype":"F64","shape":[9223372036854775807],"data_offsets":[0,8])"),
                "more than 2^63 bytes");
}

TEST(SafetensorsTest, OffsetsOutsideOverlappingOrWithHolesAreErrors) {
  ExpectInvalid(One(R"("dtype":"U8","shape":[9],"data_offsets":[0,9])"),
                "are outside the 8 bytes of data");
  ExpectInvalid(One(R"("dtype":"U8","shape":[4],"data_offsets":[8,4])"),
                "are outside the 8 bytes of data");
  ExpectInvalid(One(R"("dtype":"U8","shape":[4],"data_offsets":[4,8])"), "leaves a gap after");
  ExpectInvalid(One(R"("dtype":"U8","shape":[4],"data_offsets":[0,4])"),
                "end at byte 4 of 8 bytes");
  ExpectInvalid(File(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                     R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                     "01234567"),
                "array \"b\": starts at byte 4 of the data, but overlaps");
}

// "[1,1,...]" of `count` sizes.
std::string Ones(int count) {
  std::string text = "[1";
  for (int i = 1; i < count; ++i) text += ",1";
  return text + "]";
}

TEST(SafetensorsTest, AShapeHasAtMost64Sizes) {
  const auto file = [](int count) {
    return File(absl::StrCat("{\"a\":{\"dtype\":\"U8\",\"shape\":", Ones(count),
                             ",\"data_offsets\":[0,1]}}"),
                "x");
  };
  EXPECT_THAT(Parse(file(64)), IsOk());
  ExpectInvalid(file(65), "array \"a\": shape has more than 64 numbers");
  ExpectInvalid(One(absl::StrCat("\"data_offsets\":", Ones(1000))),
                "data_offsets has more than 64");
}

// A header of `count` entries of metadata, of eleven bytes each but the first.
std::string Metadata(int64_t count) {
  std::string json = "{\"__metadata__\":{";
  for (int64_t i = 0; i < count; ++i) {
    absl::StrAppend(&json, i == 0 ? "\"" : ",\"", absl::Hex(i + 0x1000, absl::kZeroPad5),
                    "\":\"\"");
  }
  return json + "}}";
}

TEST(SafetensorsTest, EntriesOfMetadataAreBoundedByTheSizeOfTheHeader) {
  const auto one = static_cast<int64_t>(Metadata(1).size());
  const int64_t each = static_cast<int64_t>(Metadata(2).size()) - one;
  int64_t most = 1000;
  while (most + 1 <= MaxSafetensorsMetadata(one + most * each)) ++most;
  EXPECT_GT(most, 2000);
  EXPECT_THAT(Parse(File(Metadata(most), "")), IsOk());
  ExpectInvalid(File(Metadata(most + 1), ""),
                absl::StrCat("__metadata__ has more than ", most, " entries"));
}

TEST(SafetensorsTest, MemoryIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr int64_t kBytes = 4'000'000;
  std::string arrays = "{", shapes = "{";
  for (int i = 0; static_cast<int64_t>(arrays.size()) < kBytes; ++i) {
    absl::StrAppend(&arrays, i == 0 ? "\"" : ",\"", absl::Hex(i),
                    R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  for (int i = 0; static_cast<int64_t>(shapes.size()) < kBytes; ++i) {
    absl::StrAppend(&shapes, i == 0 ? "\"" : ",\"", absl::Hex(i),
                    R"(":{"dtype":"U8","data_offsets":[0,0],"shape":[0,)", Ones(63).substr(1), "}");
  }
  const std::string one_shape = absl::StrCat("{\"a\":{\"shape\":", Ones(kBytes / 2), "}}");
  // Too many, and as many as there may be.
  const std::string metadata = Metadata(kBytes / 10);
  const std::string padded_metadata = Metadata(kBytes / 16) + std::string(kBytes / 16 * 6, ' ');
  for (const std::string& json :
       {arrays + "}", shapes + "}", one_shape, metadata, padded_metadata}) {
    const std::string file = File(json, "");
    const int64_t peak =
        MeasurePeakBytes([&] { SafetensorsView::Parse(file).status().IgnoreError(); });
    EXPECT_GE(peak, 0);
    EXPECT_LE(peak, 16 * static_cast<int64_t>(json.size()) + (1 << 20)) << json.substr(0, 60);
  }
  EXPECT_THAT(Parse(File(arrays + "}", "")), IsOk());
  EXPECT_THAT(Parse(File(shapes + "}", "")), IsOk());
  EXPECT_THAT(Parse(File(padded_metadata, "")), IsOk());
}

TEST(SafetensorsTest, NamesInMessagesArePrintable) {
  const absl::Status status = Parse(File(R"({"a\u0000\n\u001b":3})", ""));
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(R"(array "a\x00\n\x1b")")));
  const absl::Status of_long =
      Parse(File(absl::StrCat("{\"", std::string(1'000'000, 'x'), "\":3}"), ""));
  EXPECT_LT(of_long.message().size(), 1000u);
}

TEST(SafetensorsFileTest, OpenNamesThePath) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/broken.safetensors");
  ASSERT_THAT(WriteFileAtomically(path, "short"), IsOk());
  const absl::Status status = SafetensorsFile::Open(path).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)));
  EXPECT_THAT(SafetensorsFile::Open(path + ".none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn
