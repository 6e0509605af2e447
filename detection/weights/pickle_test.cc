#include "rcnn/detection/weights/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/pickle_memory.h"
#include "rcnn/detection/weights/pickle_node.h"
#include "rcnn/detection/weights/pickle_writer.h"

#if !defined(__SANITIZE_ADDRESS__)  // which has operators of its own
namespace {

std::atomic<int64_t> allocated = 0;
std::atomic<int64_t> most_allocated = 0;

int64_t BlockBytes(void* block) { return static_cast<int64_t>(malloc_usable_size(block)) + 8; }

}  // namespace

// Counts allocated bytes, with the heap's own eight for each block.
void* operator new(size_t size) {
  void* const block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  allocated += BlockBytes(block);
  most_allocated = std::max(most_allocated.load(), allocated.load());
  return block;
}
void operator delete(void* block) noexcept {
  if (block != nullptr) allocated -= BlockBytes(block);
  std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
#endif

namespace rcnn::detection::weights {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Bytes with NULs in them.
template <size_t N>
std::string B(const char (&text)[N]) {
  return std::string(text, N - 1);
}

PickleOptions Options() {
  PickleOptions options;
  options.allows_global = [](absl::string_view name) { return name == "torch.f"; };
  return options;
}

absl::StatusOr<Pickle> Parse(absl::string_view bytes) { return Pickle::Parse(bytes, Options()); }

void ExpectError(const std::string& bytes, absl::StatusCode code, const std::string& message) {
  const auto pickle = Parse(bytes);
  EXPECT_THAT(pickle, StatusIs(code, HasSubstr(message)));
}

TEST(PickleTest, Scalars) {
  struct Case {
    std::string bytes;
    PickleKind kind;
    int64_t integer;
  };
  const Case cases[] = {
      {B("\x80\x02N."), PickleKind::kNone, 0},
      {B("\x80\x02\x88."), PickleKind::kBool, 1},
      {B("\x80\x02\x89."), PickleKind::kBool, 0},
      {B("\x80\x02K\xff."), PickleKind::kInteger, 255},
      {B("\x80\x02M\x01\x80."), PickleKind::kInteger, 0x8001},
      {B("\x80\x02J\xff\xff\xff\xff."), PickleKind::kInteger, -1},
      {B("\x80\x02\x8a\x00."), PickleKind::kInteger, 0},
      {B("\x80\x02\x8a\x01\x80."), PickleKind::kInteger, -128},
      {B("\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), PickleKind::kInteger, INT64_MAX},
      {B("\x80\x02\x8b\x02\x00\x00\x00\x00\x01."), PickleKind::kInteger, 256}};
  for (const Case& example : cases) {
    const auto pickle = Parse(example.bytes);
    ASSERT_THAT(pickle, IsOk());
    EXPECT_EQ(pickle->root().kind, example.kind);
    EXPECT_EQ(pickle->root().integer, example.integer);
    EXPECT_EQ(pickle->size_bytes(), example.bytes.size());
  }
  const auto real = Parse(B("\x80\x02G\xbf\xf8\x00\x00\x00\x00\x00\x00."));
  ASSERT_THAT(real, IsOk());
  EXPECT_EQ(real->root().real, -1.5);
}

TEST(PickleTest, StringsOfAllProtocols) {
  for (const std::string& bytes : {B("\x80\x02X\x02\x00\x00\x00hi."), B("\x80\x04\x8c\x02hi."),
                                   B("\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi."),
                                   B("\x80\x02U\x02hi."), B("\x80\x02T\x02\x00\x00\x00hi.")}) {
    const auto pickle = Parse(bytes);
    ASSERT_THAT(pickle, IsOk());
    EXPECT_EQ(pickle->root().kind, PickleKind::kString);
    EXPECT_EQ(pickle->root().text, "hi");
  }
  const auto raw =
      Parse(B("\x80\x03"
              "C\x02hi."));
  ASSERT_THAT(raw, IsOk());
  EXPECT_EQ(raw->root().kind, PickleKind::kBytes);
}

TEST(PickleTest, ContainersMarksAndMemo) {
  // {'a': (1, [2, 3]), 'b': the same tuple}, as CPython writes it.
  const auto pickle =
      Parse(B("\x80\x02}q\x00(X\x01\x00\x00\x00"
              "aq\x01K\x01]q\x02(K\x02K\x03"
              "e\x86q\x03X\x01\x00\x00\x00"
              "bq\x04h\x03u."));
  ASSERT_THAT(pickle, IsOk());
  const PickleNode* const a = FindInDict(pickle->root(), "a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a, FindInDict(pickle->root(), "b"));
  ASSERT_EQ(a->items.size(), 2u);
  EXPECT_EQ(a->items[0]->integer, 1);
  ASSERT_EQ(a->items[1]->kind, PickleKind::kList);
  EXPECT_EQ(a->items[1]->items[1]->integer, 3);
  EXPECT_EQ(FindInDict(pickle->root(), "c"), nullptr);
}

TEST(PickleTest, Protocol4MemoizesByCount) {
  const auto pickle =
      Parse(B("\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x8c\x01x\x94h\x00\x86\x94."));
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(pickle->root().items[0], pickle->root().items[1]);
}

TEST(PickleTest, LastOfEqualKeysCounts) {
  const auto pickle =
      Parse(B("\x80\x02}(U\x01"
              "aK\x01U\x01"
              "aK\x02u."));
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(FindInDict(pickle->root(), "a")->integer, 2);
}

TEST(PickleTest, OrderedDictOfPython3And2) {
  const std::string python3 =
      B("\x80\x02"
        "ccollections\nOrderedDict\n)R(U\x01"
        "aK\x01u}U\x01sK\x07sb.");
  const auto built = Parse(python3);
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ(FindInDict(built->root(), "a")->integer, 1);
  ASSERT_NE(built->root().attributes, nullptr);
  EXPECT_EQ(FindInDict(*built->root().attributes, "s")->integer, 7);
  const auto listed =
      Parse(B("\x80\x02"
              "ccollections\nOrderedDict\n]](U\x01"
              "aK\x01"
              "ea\x85R."));
  ASSERT_THAT(listed, IsOk());
  EXPECT_EQ(FindInDict(listed->root(), "a")->integer, 1);
}

TEST(PickleTest, AllowedCallsAreRecordedNotMade) {
  const auto pickle =
      Parse(B("\x80\x02"
              "ctorch\nf\nK\x03Q\x85R."));
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(pickle->root().kind, PickleKind::kCall);
  EXPECT_EQ(pickle->root().callee->text, "torch.f");
  ASSERT_NE(pickle->root().arguments, nullptr);
  const std::vector<const PickleNode*>& arguments = pickle->root().arguments->items;
  ASSERT_EQ(arguments.size(), 1u);
  EXPECT_EQ(arguments[0]->kind, PickleKind::kPersistentId);
  EXPECT_EQ(arguments[0]->items[0]->integer, 3);
}

TEST(PickleTest, OtherGlobalsAreErrorsThatNameThem) {
  ExpectError(B("\x80\x02"
                "cposix\nsystem\nU\x02ls\x85R."),
              absl::StatusCode::kInvalidArgument, "byte 2: asks for 'posix.system'");
  ExpectError(B("\x80\x04\x8c\x08"
                "builtins\x8c\x04"
                "eval\x93."),
              absl::StatusCode::kInvalidArgument, "'builtins.eval'");
  ExpectError(B("\x80\x02"
                "ca\x01\n\xff\n."),
              absl::StatusCode::kInvalidArgument, "a\\x01.\\xff");
  PickleOptions none;
  EXPECT_THAT(Pickle::Parse(B("\x80\x02"
                              "ctorch\nf\n."),
                            none),
              ::testing::Not(IsOk()));
}

TEST(PickleTest, OtherOpcodesAreErrors) {
  // INST, OBJ, EXT1, protocol 0's text, out-of-band buffers, DUP, POP.
  for (const char opcode : {'i', 'o', '\x82', 'S', 'I', 'V', 'P', '\x97', '2', '0'}) {
    ExpectError(B("\x80\x02") + opcode + "xx\nyy\n.", absl::StatusCode::kInvalidArgument,
                "byte 2: opcode 0x");
  }
}

TEST(PickleTest, MalformedProgramsAreErrors) {
  const std::pair<std::string, const char*> cases[] = {
      {B("\x80\x06N."), "unknown protocol 6"},
      {B("\x80\x02."), "empty stack"},
      {B("\x80\x02t."), "no mark"},
      {B("\x80\x02(."), "empty stack"},
      {B("\x80\x02K\x01(\x85."), "empty stack"},
      {B("\x80\x02h\x05."), "memo has no entry 5"},
      {B("\x80\x02q\x05."), "empty stack"},
      {B("\x80\x02K\x01K\x02"
         "a."),
       "adds items to an integer"},
      {B("\x80\x02}(K\x01u."), "a key without a value"},
      {B("\x80\x02K\x01)R."), "calls an integer"},
      {B("\x80\x02"
         "ctorch\nf\nK\x01R."),
       "arguments that are an integer"},
      {B("\x80\x02]}b."), "sets the state of a list"},
      {B("\x80\x02K\x01K\x02\x93."), "not a string"},
      {B("\x80\x02\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01."), "more than 64 bits"},
      {B("\x80\x02"
         "ccollections\nOrderedDict\nK\x01\x85R."),
       "arguments of OrderedDict"},
      {B("\x80\x02"
         "ccollections\nOrderedDict\n]K\x01"
         "a\x85R."),
       "not a pair"}};
  for (const auto& [bytes, message] : cases) {
    ExpectError(bytes, absl::StatusCode::kInvalidArgument, message);
  }
}

TEST(PickleTest, EveryPrefixIsTruncated) {
  const std::string whole =
      B("\x80\x02}(U\x01"
        "aM\x01\x02X\x01\x00\x00\x00"
        "bctorch\nf\n)Ru.");
  ASSERT_THAT(Parse(whole), IsOk());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Parse(absl::string_view(whole).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
}

TEST(PickleTest, LengthsBeyondTheFileAllocateNothing) {
  ExpectError(B("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                "a."),
              absl::StatusCode::kDataLoss, "byte 2");
  ExpectError(B("\x80\x02\x8b\xff\xff\xff\xff"
                "a."),
              absl::StatusCode::kDataLoss, "byte 2");
}

TEST(PickleTest, LimitsHold) {
  PickleOptions options = Options();
  options.max_nodes = 10;
  const std::string many = B("\x80\x02(") + std::string(100, 'N') + "t.";
  EXPECT_THAT(Pickle::Parse(many, options), StatusIs(absl::StatusCode::kResourceExhausted));
  options = Options();
  options.max_bytes = 50;
  EXPECT_THAT(Pickle::Parse(many, options), StatusIs(absl::StatusCode::kResourceExhausted));
  options.max_bytes = 200;
  EXPECT_THAT(Pickle::Parse(many, options), IsOk());
}

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

#if !defined(__SANITIZE_ADDRESS__)
// The peak of allocated bytes while `work` runs.
template <typename Work>
int64_t MeasurePeakBytes(Work work) {
  const int64_t before = most_allocated = allocated.load();
  work();
  return most_allocated - before;
}

// Pickles that a reader without a limit would expand fifty to two hundred times.
TEST(PickleTest, MemoryIsBoundedByTheSizeOfTheFile) {
  const std::string start = B("\x80\x02");
  const std::string function = B("ctorch\nf\nq\x00");
  const std::string hostile[] = {"N",
                                 "]",
                                 "}",
                                 "(",
                                 ")",
                                 B("K\x07"),
                                 B("M\x01\x70"),
                                 B("\x85"),
                                 B("U\x01x"),
                                 B("]\x94"),
                                 B("Nr\x01\x00\x00\x00"),
                                 B("h\x00"),
                                 B("h\x00)R"),
                                 B("]h\x00h\x00ee"),
                                 B("G\x00\x00\x00\x00\x00\x00\x00\x01"),
                                 B("NQ"),
                                 B("U\x10") + std::string(16, 'x'),
                                 B("ctorch\nf\n"),
                                 B("](NN\x86NN\x86"
                                   "e")};
  for (const std::string& text : hostile) {
    const std::string bytes =
        start + function + "(" + Repeated(text, static_cast<int>(2'000'000 / text.size())) + "t.";
    absl::Status status;
    const int64_t peak = MeasurePeakBytes([&] { status = Parse(bytes).status(); });
    const auto most = static_cast<int64_t>(kFreePickleMemory + kPickleMemoryPerByte * bytes.size());
    EXPECT_LE(peak, most) << text;
    if (absl::IsResourceExhausted(status)) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                   AnyOf(HasSubstr("16 times the size of the file"),
                                         HasSubstr("1000000 values"))));
    }
  }
}
#endif

TEST(PickleTest, SmallPicklesMayHoldMuch) {
  EXPECT_THAT(Parse(B("\x80\x02(") + std::string(5000, ']') + "t."), IsOk());
  const std::string lists = B("\x80\x02(") + std::string(100'000, ']') + "t.";
  EXPECT_THAT(Parse(lists), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("the pickle needs more than 2648656 bytes of "
                                               "memory, 16 times the size of the file")));
  // A part of a larger file.
  PickleOptions options = Options();
  options.file_bytes = 10'000'000;
  EXPECT_THAT(Pickle::Parse(lists, options), IsOk());
}

TEST(PickleTest, SmallConstantsHaveOneNodeEach) {
  const auto pickle = Parse(B("\x80\x02(NN\x88\x88\x89K\x07K\x07M\x07\x00))M\x00\x01M\x00\x01t."));
  ASSERT_THAT(pickle, IsOk());
  const auto& items = pickle->root().items;
  ASSERT_EQ(items.size(), 12u);
  EXPECT_EQ(items[0], items[1]);
  EXPECT_EQ(items[2], items[3]);
  EXPECT_NE(items[3], items[4]);
  EXPECT_EQ(items[5], items[7]);
  EXPECT_EQ(items[5]->integer, 7);
  EXPECT_EQ(items[8], items[9]);
  EXPECT_NE(items[10], items[11]);
}

// 50 KB each, which a reader that copies values would expand to gigabytes.
TEST(PickleTest, OneArgumentListPassedManyTimesIsNotCopied) {
  const std::string tuple = B("(") + Repeated(B("K\x01"), 20'000) + B("tq\x01");
  const std::string calls = B("\x80\x02"
                              "ctorch\nf\nq\x00") +
                            tuple + Repeated(B("h\x00h\x01R"), 10'000) + ".";
  const auto pickle = Parse(calls);
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(pickle->root().arguments->items.size(), 20'000u);
  EXPECT_LT(PeakMegabytes(), 1000);
}

// 20 MB could else be the name of a million globals, and be copied for each: hours.
TEST(PickleTest, ALongTextIsNotTheNameOfAGlobal) {
  PickleOptions options = Options();
  options.skips_global = [](absl::string_view) { return true; };
  const auto named = [](const std::string& length, size_t size) {
    return B("\x80\x04X") + length + std::string(size, 'm') + B("\x8c\x01n\x93.");
  };
  const auto known = Pickle::Parse(named(B("\x00\x01\x00\x00"), 256), options);
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ(known->root().kind, PickleKind::kOther);
  EXPECT_THAT(Pickle::Parse(named(B("\x00\x20\x00\x00"), 8192), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name of a global")));
}

TEST(PickleTest, ListOfPairsReusedForManyDictsIsAnError) {
  const std::string pairs =
      B("](") + Repeated(B("NN\x86"), 1'000) + B("e\x85q\x01");  // ([(None, None), ...],)
  ExpectError(B("\x80\x02"
                "ccollections\nOrderedDict\nq\x00") +
                  pairs + Repeated(B("h\x00h\x01R"), 30'000) + ".",
              absl::StatusCode::kResourceExhausted, "16 times the size of the file");
  EXPECT_LT(PeakMegabytes(), 1000);
}

TEST(PickleTest, ReferencesMemosAndMarksCountAsValuesDo) {
  PickleOptions options = Options();
  options.max_nodes = 10;
  for (const std::string& many : {B("h\x00"), B("\x94"), B("(")}) {
    const auto pickle = Pickle::Parse(B("\x80\x02Nq\x00") + Repeated(many, 100) + "t.", options);
    EXPECT_THAT(pickle, StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

TEST(PickleTest, ListsMayContainThemselves) {
  const auto pickle =
      Parse(B("\x80\x02]q\x00h\x00"
              "a."));
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(pickle->root().items[0], &pickle->root());
}

TEST(PickleWriterTest, ReadsBackWhatItWrites) {
  PickleWriter writer;
  writer.Op(PickleWriter::kEmptyDict);
  writer.Op(PickleWriter::kMark);
  writer.String("n");
  writer.Integer(-5);
  writer.String("big");
  writer.Integer(int64_t{1} << 40);
  writer.String("call");
  writer.Global("torch", "f");
  writer.Op(PickleWriter::kEmptyTuple);
  writer.Op(PickleWriter::kReduce);
  writer.Op(PickleWriter::kSetItems);
  const std::string bytes = std::move(writer).Finish();
  const auto pickle = Parse(bytes);
  ASSERT_THAT(pickle, IsOk());
  EXPECT_EQ(FindInDict(pickle->root(), "n")->integer, -5);
  EXPECT_EQ(FindInDict(pickle->root(), "big")->integer, int64_t{1} << 40);
  EXPECT_EQ(FindInDict(pickle->root(), "call")->callee->text, "torch.f");
}

}  // namespace
}  // namespace rcnn::detection::weights
