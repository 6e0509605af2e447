#include "rcnn/detection/testing/slow_layers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "rcnn/detection/weights/module_state.h"

namespace rcnn::detection {
namespace {

at::Tensor Plain(const at::Tensor& x) { return x.detach().to(at::kDouble).contiguous(); }

// The product of kernel [k, k] with one channel [H, W]; (i, j) is its upper left corner.
double OneChannel(const at::TensorAccessor<double, 2>& x, const at::TensorAccessor<double, 2>& w,
                  int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t u = 0; u < w.size(0); ++u) {
    for (int64_t v = 0; v < w.size(1); ++v) {
      const int64_t row = i + u, column = j + v;
      if (row < 0 || column < 0 || row >= x.size(0) || column >= x.size(1)) continue;
      sum += x[row][column] * w[u][v];
    }
  }
  return sum;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

at::Tensor SlowConv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    int64_t stride, int64_t padding) {
  const at::Tensor input = Plain(x), kernel = Plain(weight);
  const int64_t side = weight.size(2);
  const int64_t height = (x.size(2) + 2 * padding - side) / stride + 1;
  const int64_t width = (x.size(3) + 2 * padding - side) / stride + 1;
  at::Tensor output = at::zeros({x.size(0), weight.size(0), height, width}, at::kDouble);
  const auto in = input.accessor<double, 4>(), w = kernel.accessor<double, 4>();
  auto out = output.accessor<double, 4>();
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t k = 0; k < weight.size(0); ++k) {
      for (int64_t i = 0; i < height * width; ++i) {
        double sum = bias.defined() ? bias[k].item<double>() : 0;
        const int64_t row = i / width, column = i % width;
        for (int64_t c = 0; c < x.size(1); ++c) {
          sum += OneChannel(in[n][c], w[k][c], row * stride - padding, column * stride - padding);
        }
        out[n][k][row][column] = sum;
      }
    }
  }
  return output;
}

at::Tensor SlowLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor input = Plain(x), kernel = Plain(weight), shift = Plain(bias);
  at::Tensor output = at::zeros({x.size(0), weight.size(0)}, at::kDouble);
  const auto in = input.accessor<double, 2>(), w = kernel.accessor<double, 2>();
  const auto b = shift.accessor<double, 1>();
  auto out = output.accessor<double, 2>();
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t o = 0; o < weight.size(0); ++o) {
      out[n][o] = b[o];
      for (int64_t i = 0; i < x.size(1); ++i) out[n][o] += in[n][i] * w[o][i];
    }
  }
  return output;
}

at::Tensor SlowBatchNorm(const at::Tensor& x, const torch::nn::Module& owner,
                         const std::string& name, double epsilon) {
  const auto of = [&](const char* tensor) {
    return Plain(FindTensor(owner, name + tensor)).view({1, -1, 1, 1});
  };
  return (Plain(x) - of(".running_mean")) / (of(".running_var") + epsilon).sqrt() * of(".weight") +
         of(".bias");
}

at::Tensor SlowRoiPool(const at::Tensor& maps, const at::Tensor& rois, int64_t size,
                       double stride) {
  at::Tensor pooled = at::zeros({rois.size(0), maps.size(1), size, size}, at::kDouble);
  for (int64_t r = 0; r < rois.size(0); ++r) {
    const at::Tensor map = maps[rois[r][0].item<int64_t>()].to(at::kDouble);
    // First cell and, one further, last cell of a bin along an axis.
    const auto range = [&](int64_t axis, int64_t bin) {
      const double first = std::round(rois[r][1 + axis].item<double>() / stride);
      const double last = std::round(rois[r][3 + axis].item<double>() / stride);
      const double side = std::max(last - first + 1, 1.0) / static_cast<double>(size);
      const double most = static_cast<double>(map.size(2 - axis));
      const auto clip = [&](double cell) { return std::min(std::max(cell, 0.0), most); };
      return std::pair(static_cast<int64_t>(clip(first + std::floor(bin * side))),
                       static_cast<int64_t>(clip(first + std::ceil((bin + 1) * side))));
    };
    for (int64_t i = 0; i < size * size; ++i) {
      const auto [top, bottom] = range(1, i / size);
      const auto [left, right] = range(0, i % size);
      if (top >= bottom || left >= right) continue;
      pooled[r]
          .select(1, i / size)
          .select(1, i % size)
          .copy_(map.slice(1, top, bottom).slice(2, left, right).amax({1, 2}));
    }
  }
  return pooled;
}

double SlowProbability(const at::Tensor& logits, int64_t label) {
  double sum = 0;
  for (int64_t k = 0; k < logits.size(0); ++k) sum += std::exp(logits[k].item<double>());
  return std::exp(logits[label].item<double>()) / sum;
}

at::Tensor FindTensor(const torch::nn::Module& owner, const std::string& name) {
  const auto parameters = owner.named_parameters(), buffers = owner.named_buffers();
  if (const at::Tensor* found = parameters.find(name)) return *found;
  if (const at::Tensor* found = buffers.find(name)) return *found;
  return {};
}

void FillAtRandom(torch::nn::Module& module, double scale, uint64_t seed) {
  at::NoGradGuard no_grad;
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto buffers = module.named_buffers();
  const auto fill = [&](const std::string& name, at::Tensor tensor) {
    if (!tensor.defined() || !tensor.is_floating_point()) return;
    const bool norm_weight = tensor.dim() == 1 && EndsWith(name, "weight");
    if (EndsWith(name, "running_var") || norm_weight) {
      tensor.uniform_(0.5, 1.5, generator);
    } else {
      tensor.uniform_(-scale, scale, generator);
    }
  };
  for (const auto& item : module.named_parameters()) fill(item.key(), item.value());
  for (const auto& item : buffers) {
    if (weights::IsSavedBuffer(item.key())) fill(item.key(), item.value());
  }
}

bool Near(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  if (a.sizes() != b.sizes()) return false;
  if (a.numel() == 0) return true;
  const at::Tensor x = Plain(a), y = Plain(b);
  return (x - y).abs().max().item<double>() <= tolerance * y.abs().max().item<double>();
}

}  // namespace rcnn::detection
