#include "rcnn/tools/layer_times.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/json_string.h"
#include "rcnn/detection/convolution/packed_convolution.h"
#include "rcnn/detection/layers.h"

namespace rcnn::tools {
namespace {

using detection::Conv;
using detection::ConvolutionMethod;
using detection::LayerCall;
using detection::Linear;

double MedianMs(int repeats, const std::function<void()>& run) {
  run();
  std::vector<double> ms;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    const auto end = std::chrono::steady_clock::now();
    ms.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
  }
  std::nth_element(ms.begin(), ms.begin() + repeats / 2, ms.end());
  return ms[static_cast<size_t>(repeats / 2)];
}

std::string MethodName(ConvolutionMethod method) {
  switch (method) {
    case ConvolutionMethod::kWinograd:
      return "Winograd";
    case ConvolutionMethod::kPointwise:
      return "matrix product";
    case ConvolutionMethod::kPatches:
      return "product of patches";
    case ConvolutionMethod::kLibtorch:
      return "LibTorch";
    case ConvolutionMethod::kBfloat16:
      return "bfloat16 product";
    case ConvolutionMethod::kBfloat16WinogradTwo:
      return "bfloat16 Winograd, 2 x 2";
    case ConvolutionMethod::kBfloat16WinogradFour:
      return "bfloat16 Winograd";
  }
  return "";
}

// The method's multiplications divided by the definition's. With Winograd's, a block of 4 x 4
// outputs takes 36 or 64 instead of 144.
double Share(ConvolutionMethod method, const at::Tensor& output) {
  const double tiles = static_cast<double>((output.size(2) + 3) / 4 * ((output.size(3) + 3) / 4));
  const double of_output = 16 * tiles / static_cast<double>(output.size(2) * output.size(3));
  if (method == ConvolutionMethod::kBfloat16WinogradTwo) return of_output * 64 / 144;
  const bool winograd =
      method == ConvolutionMethod::kWinograd || method == ConvolutionMethod::kBfloat16WinogradFour;
  return winograd ? of_output * 36 / 144 : 1;
}

std::string Joined(at::IntArrayRef sizes) { return absl::StrJoin(sizes, " x "); }

double Gflop(double multiplications) { return 2e-9 * multiplications; }

double Megabytes(double numbers) { return 4e-6 * numbers; }

void Describe(const Conv& conv, const at::Tensor& x, const at::Tensor& y, LayerTime& time) {
  const detection::ConvOptions& options = conv.options();
  const auto kernel = static_cast<double>(options.in_channels * options.kernel * options.kernel);
  time.shape = absl::StrCat(options.kernel, " x ", options.kernel,
                            options.stride > 1 ? absl::StrCat(" / ", options.stride) : "", ", ",
                            Joined(x.sizes()), " to ", options.out_channels);
  time.gflop = Gflop(static_cast<double>(y.numel()) * kernel);
  time.megabytes = Megabytes(static_cast<double>(x.numel() + y.numel()) +
                             kernel * static_cast<double>(options.out_channels));
  const detection::PackedConvolution* packed = conv.packed();
  const auto method = packed != nullptr ? packed->method() : ConvolutionMethod::kLibtorch;
  time.method = MethodName(method);
  time.multiplied = time.gflop * Share(method, y);
}

void Describe(const Linear& linear, const at::Tensor& x, const at::Tensor& y, LayerTime& time) {
  const double weights = static_cast<double>(x.size(1) * y.size(1));
  time.shape = absl::StrCat("linear, ", Joined(x.sizes()), " to ", y.size(1));
  // Linear layers are packed for bfloat16 only.
  time.method = MethodName(linear.IsReplaced() ? ConvolutionMethod::kBfloat16
                                               : ConvolutionMethod::kPointwise);
  time.gflop = time.multiplied = Gflop(weights * static_cast<double>(x.size(0)));
  time.megabytes = Megabytes(static_cast<double>(x.numel() + y.numel()) + weights);
}

LayerTime TimeLayer(const std::string& name, const LayerCall& call, int repeats) {
  LayerTime time;
  time.name = name;
  const at::Tensor x = at::rand(call.input, at::detail::createCPUGenerator(1));
  at::Tensor y;
  if (const auto* conv = dynamic_cast<const Conv*>(call.layer)) {
    time.ms = MedianMs(repeats, [&] { y = conv->Forward(x); });
    Describe(*conv, x, y, time);
  } else if (const auto* linear = dynamic_cast<const Linear*>(call.layer)) {
    time.ms = MedianMs(repeats, [&] { y = linear->Forward(x); });
    Describe(*linear, x, y, time);
  }
  return time;
}

std::map<const torch::nn::Module*, std::string> Names(const torch::nn::Module& model) {
  std::map<const torch::nn::Module*, std::string> names;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    names.emplace(item.value().get(), item.key());
  }
  return names;
}

// Equal for calls that take the same time.
std::string Kind(const LayerCall& call) {
  std::string kind = Joined(call.input);
  if (const auto* conv = dynamic_cast<const Conv*>(call.layer)) {
    const detection::ConvOptions& options = conv->options();
    absl::StrAppend(&kind, " conv ", options.out_channels, " ", options.kernel, " ", options.stride,
                    " ", options.padding);
  } else if (const auto* linear = dynamic_cast<const Linear*>(call.layer)) {
    absl::StrAppend(&kind, " linear ", linear->bias().size(0));
  }
  return kind;
}

std::string Member(const char* name, double value) {
  return absl::StrCat(JsonString(name), ": ", value);
}

std::string Object(const LayerTime& time) {
  return absl::StrCat("{\"name\": ", JsonString(time.name),
                      ", \"method\": ", JsonString(time.method),
                      ", \"shape\": ", JsonString(time.shape), ", ",
                      Member("calls", static_cast<double>(time.calls)), ", ",
                      Member("gflop", time.gflop), ", ", Member("multiplied", time.multiplied),
                      ", ", Member("megabytes", time.megabytes), ", ", Member("ms", time.ms), "}");
}

}  // namespace

std::vector<LayerTime> TimeLayers(const torch::nn::Module& model, std::vector<LayerCall> calls,
                                  int repeats) {
  const at::NoGradGuard no_grad;
  const auto names = Names(model);
  std::map<std::string, size_t> rows;
  std::vector<LayerTime> times;
  for (const LayerCall& call : calls) {
    const auto [row, is_new] = rows.try_emplace(Kind(call), times.size());
    if (is_new) times.push_back(TimeLayer(names.at(call.layer), call, repeats));
    ++times[row->second].calls;
  }
  return times;
}

MachineLimits MeasureMachine(int repeats, detection::Precision precision) {
  const at::NoGradGuard no_grad;
  constexpr int64_t kSide = 2048, kNumbers = int64_t{64} << 20;
  const at::ScalarType type =
      precision == detection::Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
  const at::Tensor a = at::ones({kSide, kSide}, type), from = at::ones({kNumbers});
  at::Tensor product = at::empty_like(a), to = at::empty_like(from);
  const double product_ms = MedianMs(repeats, [&] { at::mm_out(product, a, a); });
  const double copy_ms = MedianMs(repeats, [&] { to.copy_(from); });
  return {Gflop(static_cast<double>(kSide * kSide * kSide)) * 1e3 / product_ms,
          2 * Megabytes(static_cast<double>(kNumbers)) / copy_ms};
}

std::string LayerTimesJson(const std::vector<LayerTime>& times, const MachineLimits& limits) {
  const auto object = [](std::string* out, const LayerTime& time) { out->append(Object(time)); };
  return absl::StrCat("{\"layers\": [", absl::StrJoin(times, ", ", object), "], ",
                      Member("gflops", limits.gflops), ", ",
                      Member("gigabytes_per_second", limits.gigabytes_per_second), "}");
}

}  // namespace rcnn::tools
