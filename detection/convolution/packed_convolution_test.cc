#include "rcnn/detection/convolution/packed_convolution.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

struct Case {
  const char* name;
  int64_t in, out, kernel, stride, padding;
};

// Each method, and the cases left to products of patches.
const Case kCases[] = {
    {"winograd", 24, 10, 3, 1, 1},     {"pointwise", 20, 9, 1, 1, 0},
    {"few channels", 3, 8, 3, 1, 1},   {"3x3, stride 2", 24, 10, 3, 2, 1},
    {"1x1, stride 2", 20, 9, 1, 2, 0}, {"3x3, no padding", 24, 10, 3, 1, 0},
    {"7x7", 3, 16, 7, 2, 3},
};

constexpr ConvolutionMethod kMethods[] = {ConvolutionMethod::kWinograd,
                                          ConvolutionMethod::kPointwise,
                                          ConvolutionMethod::kPatches,
                                          ConvolutionMethod::kLibtorch,
                                          ConvolutionMethod::kBfloat16,
                                          ConvolutionMethod::kBfloat16WinogradTwo,
                                          ConvolutionMethod::kBfloat16WinogradFour};

// Largest error, relative to the largest result.
double Tolerance(c10::optional<ConvolutionMethod> method) {
  if (method == ConvolutionMethod::kBfloat16) return 5e-3;
  if (method == ConvolutionMethod::kBfloat16WinogradTwo) return 8e-3;
  return method == ConvolutionMethod::kBfloat16WinogradFour ? 2e-2 : 2e-6;
}

PackedConvolutionOptions Options(const Case& c,
                                 c10::optional<ConvolutionMethod> method = c10::nullopt) {
  PackedConvolutionOptions options;
  options.stride = c.stride;
  options.padding = c.padding;
  options.method = method;
  return options;
}

class PackedConvolutionTest : public InstructionLevelTest {
 protected:
  void SetUp() override {
    InstructionLevelTest::SetUp();
    if (IsSkipped()) return;
    if (!PackedConvolution::CanPack(at::zeros({1, 1, 2, 2}), {})) {
      GTEST_SKIP() << "this LibTorch has no packed convolutions";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, PackedConvolutionTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

PackedConvolution Pack(const Case& c, const at::Tensor& weight, const at::Tensor& bias, bool relu,
                       c10::optional<ConvolutionMethod> method = c10::nullopt) {
  PackedConvolutionOptions options = Options(c, method);
  options.relu = relu;
  return PackedConvolution(weight, bias, options);
}

bool IsWinograd(ConvolutionMethod method) {
  return method == ConvolutionMethod::kWinograd ||
         method == ConvolutionMethod::kBfloat16WinogradTwo ||
         method == ConvolutionMethod::kBfloat16WinogradFour;
}

// Whether a convolution of many channels takes seconds: bfloat16 without instructions for it.
bool IsSlow(const Case& c, ConvolutionMethod method) {
  const bool is_short = method >= ConvolutionMethod::kBfloat16;
  return c.in >= 128 && is_short && !HasBfloat16Products();
}

void ExpectNear(const at::Tensor& a, const at::Tensor& b,
                c10::optional<ConvolutionMethod> method = c10::nullopt) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LE((a - b).abs().max().item<double>(),
            Tolerance(method) * b.abs().max().item<double>() + 1e-5);
}

TEST_P(PackedConvolutionTest, EqualsAPlainConvolution) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1) * 0.1;
    const at::Tensor bias = Draw({c.out}, 2), x = Draw({2, c.in, 31, 45}, 3);
    const at::Tensor plain = at::conv2d(x, weight, bias, c.stride, c.padding);
    const at::Tensor other = Draw(plain.sizes(), 4);
    for (const ConvolutionMethod method : kMethods) {
      SCOPED_TRACE(static_cast<int>(method));
      if (!PackedConvolution::CanPack(weight, Options(c, method))) continue;
      ExpectNear(Pack(c, weight, bias, false, method).Run(x), plain, method);
      ExpectNear(Pack(c, weight, bias, true, method).Run(x), plain.relu(), method);
      ExpectNear(Pack(c, weight, {}, false, method).Run(x), plain - bias.view({-1, 1, 1}), method);
      const PackedConvolution conv = Pack(c, weight, bias, false, method);
      const at::Tensor sum = conv.RunAddRelu(x, other);
      ExpectNear(sum, (plain + other).relu(), method);
      EXPECT_TRUE(conv.RunAddRelu(x, other.clone(), /*overwrite=*/true).equal(sum));
      EXPECT_TRUE(conv.Run(x.contiguous(at::MemoryFormat::ChannelsLast)).is_contiguous());
    }
  }
}

// Channels and maps that fill neither vectors nor panels. A sum of n terms in any order is within
// n u / (1 - n u) of the sum of their absolute values, u = 2^-24 (Higham, Accuracy and Stability of
// Numerical Algorithms, 2nd ed., Sec. 4.2); rcnn's own sums also add chunks of 64 terms, and a
// bias. Transforms lose more, but not in the norm of all results.
TEST_P(PackedConvolutionTest, OddShapesEqualTheDefinitionInFloat64) {
  const Case cases[] = {{"1x1, one channel", 1, 1, 1, 1, 0},
                        {"1x1", 19, 17, 1, 1, 0},
                        {"1x1, stride 3", 5, 7, 1, 3, 0},
                        {"3x3, one channel", 1, 1, 3, 1, 1},
                        {"3x3", 17, 33, 3, 1, 1},
                        {"3x3, stride 2", 3, 7, 3, 2, 1},
                        {"3x3, no padding", 5, 9, 3, 1, 0},
                        {"5x5", 5, 3, 5, 2, 2},
                        {"7x7", 3, 17, 7, 2, 3}};
  for (const Case& c : cases) {
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1), bias = Draw({c.out}, 2);
    for (const auto& [height, width] : {std::pair(1, 1), std::pair(1, 29), std::pair(13, 17)}) {
      if (height + 2 * c.padding < c.kernel || width + 2 * c.padding < c.kernel) continue;
      const at::Tensor x = Draw({3, c.in, height, width}, 3);
      const auto convolve = [&](const auto& of) {
        return at::conv2d(of(x), of(weight), of(bias), c.stride, c.padding);
      };
      const at::Tensor exact = convolve([](const at::Tensor& t) { return t.to(at::kDouble); });
      const at::Tensor size = convolve([](const at::Tensor& t) { return t.to(at::kDouble).abs(); });
      const double terms = static_cast<double>(c.in * c.kernel * c.kernel);
      for (const ConvolutionMethod method :
           {ConvolutionMethod::kWinograd, ConvolutionMethod::kPointwise,
            ConvolutionMethod::kPatches, ConvolutionMethod::kLibtorch}) {
        if (!PackedConvolution::CanPack(weight, Options(c, method))) continue;
        SCOPED_TRACE(::testing::Message() << c.name << " on " << height << " x " << width << ", "
                                          << static_cast<int>(method));
        const at::Tensor error = Pack(c, weight, bias, false, method).Run(x) - exact;
        if (method == ConvolutionMethod::kWinograd) {
          EXPECT_LE(error.norm().item<double>(), 3e-6 * size.norm().item<double>());
        } else {
          const double rounding = (terms * 65 / 64 + 4) / (1 << 24);
          EXPECT_LE((error.abs() / size).max().item<double>(), rounding);
        }
      }
    }
  }
}

TEST_P(PackedConvolutionTest, IsTheSameFromStoredPanels) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1), bias = Draw({c.out}, 2);
    const at::Tensor x = Draw({1, c.in, 31, 45}, 3);
    for (const ConvolutionMethod method : kMethods) {
      const PackedConvolutionOptions options = Options(c, method);
      if (!PackedConvolution::CanPack(weight, options)) continue;
      const PackedConvolution packed(weight, bias, options);
      StoredPanels stored = packed.panels();
      EXPECT_EQ(stored.data != nullptr, method != ConvolutionMethod::kLibtorch);
      EXPECT_EQ(PackedConvolution::HasPanels(weight, options), stored.data != nullptr);
      if (stored.data == nullptr) continue;
      const PackedConvolution same(at::zeros_like(weight), bias, options, stored);
      EXPECT_EQ(same.panels().data, stored.data);
      EXPECT_TRUE(same.Run(x).equal(packed.Run(x)));
      stored.bytes -= 64;
      EXPECT_THROW(PackedConvolution(weight, bias, options, stored), std::invalid_argument);
    }
  }
}

// Bands of a row, and of several.
TEST_P(PackedConvolutionTest, BandsHaveTheBitsOfTheWholeMap) {
  for (const Case& c : kCases) {
    PackedConvolutionOptions options = Options(c, ConvolutionMethod::kLibtorch);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1), bias = Draw({c.out}, 2);
    if (!PackedConvolution::CanPack(weight, options)) continue;
    const at::Tensor x = Draw({2, c.in, 61, 45}, 3);
    const at::Tensor whole = PackedConvolution(weight, bias, options).Run(x);
    for (const int64_t bytes : {1, 10'000}) {
      options.band_bytes = bytes;
      EXPECT_TRUE(PackedConvolution(weight, bias, options).Run(x).equal(whole))
          << c.name << " " << bytes;
    }
  }
}

// From a copy of the rows that they depend on, to the middle of other rows.
TEST_P(PackedConvolutionTest, RowsHaveTheBitsOfTheWholeMap) {
  const Case c = {"3x3", 20, 9, 3, 1, 1};
  const at::Tensor weight = Draw({c.out, c.in, 3, 3}, 1), bias = Draw({c.out}, 2);
  const at::Tensor x = Draw({1, c.in, 30, 45}, 3);
  for (const auto method :
       {ConvolutionMethod::kLibtorch, ConvolutionMethod::kPatches, ConvolutionMethod::kWinograd,
        ConvolutionMethod::kBfloat16WinogradTwo, ConvolutionMethod::kBfloat16WinogradFour}) {
    if (!PackedConvolution::CanPack(weight, Options(c, method))) continue;
    const PackedConvolution conv = Pack(c, weight, bias, true, method);
    ASSERT_TRUE(conv.CanRunRows());
    const at::Tensor whole = conv.Run(x);
    for (const auto& [begin, end] : {std::pair(0, 8), std::pair(8, 20), std::pair(24, 30)}) {
      const int64_t first = std::max(begin - 1, 0), last = std::min(end + 1, 30);
      const at::Tensor y = at::zeros({1, c.out, end - begin + 3, 45});
      conv.RunRows({x.slice(2, first, last).contiguous(), first, 30}, begin, end,
                   {y, begin - 2, 30}, conv.PrepareRows());
      EXPECT_TRUE(y.narrow(2, 2, end - begin).equal(whole.slice(2, begin, end)))
          << begin << " " << static_cast<int>(method);
      EXPECT_EQ(y.narrow(2, 0, 2).abs().sum().item<float>(), 0);
    }
  }
}

// Kernels that are kept transformed, and as they are; a last band of a whole and of a single row.
TEST_P(PackedConvolutionTest, BandsThatAreHandedOnHaveTheBitsOfTheWholeMap) {
  for (const Case& c : {Case{"3x3", 20, 9, 3, 1, 1}, Case{"kernels", 128, 128, 3, 1, 1},
                        Case{"7x7", 3, 16, 7, 2, 3}}) {
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1) * 0.1;
    const at::Tensor bias = Draw({c.out}, 2);
    for (const ConvolutionMethod method : kMethods) {
      if (!PackedConvolution::CanPack(weight, Options(c, method)) || IsSlow(c, method)) continue;
      const PackedConvolution conv = Pack(c, weight, bias, true, method);
      if (!conv.CanRunRows()) continue;
      for (const int64_t height : {24, 25, 3}) {
        const at::Tensor x = Draw({1, c.in, height, 19}, 3), whole = conv.Run(x);
        std::vector<at::Tensor> bands;
        int64_t rows = 0;
        conv.ForEachBand(x, 8, [&](int64_t begin, const at::Tensor& band) {
          EXPECT_EQ(begin, rows);
          EXPECT_TRUE(band.is_contiguous());
          rows += band.size(2);
          bands.push_back(band.clone());
        });
        EXPECT_TRUE(at::cat(bands, 2).equal(whole)) << c.name << " " << static_cast<int>(method);
      }
    }
  }
}

TEST_P(PackedConvolutionTest, ResultsInBandsOverTheInputHaveTheBitsOfOthers) {
  for (const Case& c : {Case{"3x3", 20, 20, 3, 1, 1}, Case{"kernels", 128, 128, 3, 1, 1}}) {
    const at::Tensor weight = Draw({c.out, c.in, 3, 3}, 1) * 0.1, bias = Draw({c.out}, 2);
    for (const ConvolutionMethod method : kMethods) {
      PackedConvolutionOptions options = Options(c, method);
      options.band_bytes = 1;
      options.relu = true;
      if (!PackedConvolution::CanPack(weight, options) || IsSlow(c, method)) continue;
      const PackedConvolution conv(weight, bias, options);
      for (const int64_t height : {1, 31, 32, 33, 64, 70}) {
        if (!IsWinograd(method) && height != 33) continue;
        const at::Tensor x = Draw({1, c.in, height, 9}, 3), expected = conv.Run(x);
        const at::Tensor y = conv.Run(x, /*overwrite=*/true);
        EXPECT_TRUE(y.equal(expected)) << c.name << height << " " << static_cast<int>(method);
        EXPECT_EQ(y.data_ptr() == x.data_ptr(), IsWinograd(method));
      }
      // A batch is not overwritten in bands.
      const at::Tensor two = Draw({2, c.in, 33, 9}, 3), expected = conv.Run(two);
      EXPECT_TRUE(conv.Run(two, /*overwrite=*/true).equal(expected));
    }
  }
}

TEST_P(PackedConvolutionTest, OverwritesOnlyWhatItMay) {
  for (const Case& c : {Case{"square", 20, 20, 1, 1, 0}, Case{"not square", 20, 9, 1, 1, 0},
                        Case{"3x3", 20, 20, 3, 1, 1}, Case{"padded", 20, 20, 1, 1, 1}}) {
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1);
    for (const ConvolutionMethod method : kMethods) {
      if (!PackedConvolution::CanPack(weight, Options(c, method))) continue;
      const PackedConvolution conv = Pack(c, weight, Draw({c.out}, 2), true, method);
      at::Tensor x = Draw({2, c.in, 31, 45}, 3);
      const at::Tensor kept = x.clone(), expected = conv.Run(x);
      EXPECT_TRUE(x.equal(kept)) << c.name;
      EXPECT_TRUE(conv.Run(x, /*overwrite=*/true).equal(expected)) << c.name;
    }
  }
}

// LibTorch's packed convolution returns one cell for a map of 6 x 6.
TEST_P(PackedConvolutionTest, RejectsSmallMapsLikeAPlainConvolution) {
  const Case cases[] = {{"7x7", 3, 4, 7, 2, 0},
                        {"5x5, padded", 3, 4, 5, 2, 1},
                        {"3x3", 24, 4, 3, 1, 1},
                        {"1x1", 24, 4, 1, 1, 0}};
  for (const Case& c : cases) {
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1);
    const int64_t smallest = std::max<int64_t>(c.kernel - 2 * c.padding, 1);
    for (const ConvolutionMethod method : kMethods) {
      if (!PackedConvolution::CanPack(weight, Options(c, method))) continue;
      SCOPED_TRACE(c.name);
      const PackedConvolution conv = Pack(c, weight, {}, false, method);
      const at::Tensor x = Draw({1, c.in, smallest, 9}, 2);
      ExpectNear(conv.Run(x), at::conv2d(x, weight, {}, c.stride, c.padding), method);
      EXPECT_THROW(conv.Run(x.slice(2, 1)), c10::Error);
      EXPECT_THROW(conv.Run(x.slice(2, 1).transpose(2, 3)), c10::Error);
    }
  }
}

TEST_P(PackedConvolutionTest, TakesWeightsAndInputsOfAnyLayout) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1) * 0.1;
    const at::Tensor x = Draw({2, c.in, 31, 45}, 3);
    const at::Tensor expected = Pack(c, weight, {}, false).Run(x);
    const auto last = at::MemoryFormat::ChannelsLast;
    ExpectNear(Pack(c, weight.contiguous(last), {}, false).Run(x.contiguous(last)), expected);
    const at::Tensor wide = Draw({2, c.in, 31, 50}, 5);
    wide.slice(3, 0, 45).copy_(x);
    ExpectNear(Pack(c, weight, {}, false).Run(wide.slice(3, 0, 45)), expected);
    const at::Tensor other = Draw(expected.sizes(), 4);
    ExpectNear(Pack(c, weight, {}, false).RunAddRelu(x, other.contiguous(last)),
               (expected + other).relu());
  }
}

TEST_P(PackedConvolutionTest, KeepsItsOwnCopyOfTheWeights) {
  for (const Case& c : kCases) {
    at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1);
    const at::Tensor x = Draw({1, c.in, 20, 20}, 3);
    const PackedConvolution conv = Pack(c, weight, {}, false);
    const at::Tensor before = conv.Run(x);
    weight.zero_();
    EXPECT_TRUE(conv.Run(x).equal(before)) << c.name;
  }
}

TEST_P(PackedConvolutionTest, RejectsWrongInputs) {
  for (const Case& c : kCases) {
    const PackedConvolution conv = Pack(c, Draw({c.out, c.in, c.kernel, c.kernel}, 1), {}, false);
    EXPECT_THROW(conv.Run(at::zeros({1, c.in + 1, 20, 20})), c10::Error) << c.name;
    EXPECT_THROW(conv.Run(at::zeros({1, c.in, 20, 20}, at::kDouble)), c10::Error) << c.name;
    EXPECT_THROW(conv.Run(at::zeros({c.in, 20, 20})), c10::Error) << c.name;
    // Represents every other device.
    EXPECT_THROW(conv.Run(at::empty({1, c.in, 20, 20}, at::kMeta)), c10::Error) << c.name;
    EXPECT_THROW(conv.RunAddRelu(at::zeros({1, c.in, 20, 20}), at::zeros({1, c.out, 3, 4})),
                 c10::Error)
        << c.name;
  }
}

TEST(PackedConvolutionCanPackTest, PacksOnlyFloat32AndSupportedMethods) {
  EXPECT_FALSE(PackedConvolution::CanPack(at::zeros({1, 1, 1, 1}, at::kDouble), {}));
  PackedConvolutionOptions options;
  options.method = ConvolutionMethod::kWinograd;
  EXPECT_FALSE(PackedConvolution::CanPack(at::zeros({16, 16, 1, 1}), options));
  EXPECT_THROW(PackedConvolution(at::zeros({16, 16, 1, 1}), {}, options), c10::Error);
  options.method = ConvolutionMethod::kPointwise;
  EXPECT_FALSE(PackedConvolution::CanPack(at::zeros({16, 16, 3, 3}), options));
  options.method = ConvolutionMethod::kPatches;
  EXPECT_FALSE(PackedConvolution::CanPack(at::zeros({16, 16, 1, 3}), options));
}

TEST(FastestMethodTest, DependsOnTheShapeAndTheInstructions) {
  const at::Tensor one = at::zeros({32, 32, 1, 1}), three = at::zeros({32, 32, 3, 3});
  const PackedConvolutionOptions plain, padded = {.padding = 1};
  constexpr auto kPortable = InstructionLevel::kPortable;
  EXPECT_EQ(FastestMethod(one, plain, kPortable), ConvolutionMethod::kLibtorch);
  EXPECT_EQ(FastestMethod(three, padded, kPortable), ConvolutionMethod::kLibtorch);
  for (const auto level : {InstructionLevel::kAvx2, InstructionLevel::kAvx512}) {
    EXPECT_EQ(FastestMethod(at::zeros({32, 32, 7, 7}), plain, level), ConvolutionMethod::kPatches);
    EXPECT_EQ(FastestMethod(one, {.stride = 2}, level), ConvolutionMethod::kPatches);
    EXPECT_EQ(FastestMethod(three, {.stride = 2, .padding = 1}, level),
              ConvolutionMethod::kPatches);
    EXPECT_EQ(FastestMethod(one, plain, level), ConvolutionMethod::kPointwise);
    EXPECT_EQ(FastestMethod(three, padded, level), ConvolutionMethod::kWinograd);
    EXPECT_EQ(FastestMethod(at::zeros({32, 3, 3, 3}), padded, level), ConvolutionMethod::kPatches);
    EXPECT_EQ(FastestMethod(at::zeros({32, 32, 1, 3}), plain, level), ConvolutionMethod::kLibtorch);
  }
}

TEST(FastestMethodTest, Bfloat16OnlyWhereItIsAskedForAndPays) {
  PackedConvolutionOptions plain, padded = {.padding = 1};
  constexpr auto kLevel = InstructionLevel::kAvx512Bf16;
  const at::Tensor one = at::zeros({32, 32, 1, 1}), three = at::zeros({32, 32, 3, 3});
  EXPECT_EQ(FastestMethod(one, plain, kLevel), ConvolutionMethod::kPointwise);
  plain.precision = padded.precision = Precision::kBfloat16;
  EXPECT_EQ(FastestMethod(one, plain, kLevel), ConvolutionMethod::kBfloat16);
  EXPECT_EQ(FastestMethod(at::zeros({32, 32, 7, 7}), plain, kLevel), ConvolutionMethod::kBfloat16);
  EXPECT_EQ(FastestMethod(three, padded, kLevel), ConvolutionMethod::kBfloat16WinogradFour);
  EXPECT_EQ(FastestMethod(at::zeros({32, 3, 3, 3}), padded, kLevel), ConvolutionMethod::kPatches);
  EXPECT_EQ(FastestMethod(one, plain, InstructionLevel::kAvx512), ConvolutionMethod::kPointwise);
}

}  // namespace
}  // namespace rcnn::detection
