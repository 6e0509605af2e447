#include "rcnn/training/testing/sample_experiment.h"

#include <gtest/gtest.h>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {

const char kSampleExperiment[] = R"pb(
  name: "sample"
  data {
    train { shapes { seed: 1 num_images: 20 } }
    test { shapes { seed: 2 num_images: 10 } }
    transform {
      resize { shortest_side_px: [ 96, 112 ] }
      flip: AT_RANDOM
    }
  }
  model {
    backbone { tiny { channels: 8 } }
    rpn {}
    head {}
  }
  stages {
    name: "rpn1"
    train_rpn {
      training {
        solver {
          adamw {}
          iterations: 4
        }
      }
    }
  }
  stages {
    name: "props1"
    generate_proposals { rpn: "rpn1" }
  }
  stages {
    name: "fast1"
    train_fast_rcnn {
      proposals: "props1"
      training {
        solver {
          adamw {}
          iterations: 4
        }
      }
    }
  }
  stages {
    name: "rpn2"
    train_rpn {
      training {
        solver {
          adamw {}
          iterations: 4
        }
      }
    }
    init { stage: "fast1" }
    freeze: "backbone"
  }
  stages {
    name: "props2"
    generate_proposals { rpn: "rpn2" }
  }
  stages {
    name: "fast2"
    train_fast_rcnn {
      proposals: "props2"
      training {
        solver {
          adamw {}
          iterations: 4
        }
      }
    }
    init { stage: "rpn2" part: "backbone" }
    freeze: "backbone"
  }
  stages {
    name: "final"
    evaluate { rpn: "rpn2" detector: "fast2" }
  }
)pb";

configs::ExperimentConfig SampleExperiment(const std::vector<std::string>& overrides) {
  const auto config = ParseExperiment(kSampleExperiment, "sample", {.overrides = overrides});
  EXPECT_THAT(config, IsOk());
  return config.ok() ? *config : configs::ExperimentConfig();
}

}  // namespace rcnn::training
